// y = f(x) element by element, and dx = dy · f'(x), recomputed from x.
//
// FORM 0: gelu(x) = x · Φ(x), Φ(x) = (1 + erf(x/√2)) / 2;  gelu' = Φ(x) + x·φ(x), φ(x) = exp(−x²/2)/√(2π)
// FORM 1: gelu's tanh form: x/2 · (1 + tanh(√(2/π)·(x + 0.044715x³)))
// FORM 2: tanh(x); tanh' = 1 − tanh²
// FORM 3: relu(x) = max(x, 0); relu' = x > 0
//
// binding 0  uniform {base, total groups, count}
// binding 1  out f32[count]   y, or dx (BACKWARD)
// binding 2  x   f32[count]
// binding 3  dy  f32[count]   (BACKWARD)
//
// A thread takes 4 neighbours; group g of 64 threads takes elements [256g, 256g + 256).
const FORM = 0u;
const BACKWARD = false;
const GROUP = 64u;
const PER_THREAD = 4u;

struct Params { base: u32, total: u32, count: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;
@group(0) @binding(2) var<storage, read> x: array<f32>;
#if BACKWARD
@group(0) @binding(3) var<storage, read> dy: array<f32>;
#endif

// exp(−2|v|) cannot overflow; near 0 the quotient would cancel, so a series takes over.
fn tanhSafe(v: f32) -> f32 {
  let t = exp(-2.0 * min(abs(v), 20.0));
  let s = v * v;
  let series = v * (1.0 - s * (1.0 / 3.0 - s * (2.0 / 15.0 - s * (17.0 / 315.0))));
  return select(sign(v) * (1.0 - t) / (1.0 + t), series, abs(v) < 0.15);
}

// erfc(z) = t · exp(−z² + P(t)), t = 1/(1 + z/2), 0 ≤ z ≤ 7.2: P interpolates ln(erfc(z)/t) + z² at Chebyshev nodes; error 2e-7.
fn erfcPositive(z: f32) -> f32 {
  let t = 1.0 / (1.0 + 0.5 * z);
  let poly = -1.2652945518493652 + t * (0.9957226514816284 + t * (0.41019850969314575 + t * (-0.0724039077758789
    + t * (0.30243590474128723 + t * (-0.6262144446372986 + t * (-0.05730830878019333 + t * (0.6900385618209839 + t * (-0.4873351454734802 + t * 0.11016077548265457))))))));
  return t * exp(-z * z + poly);
}

// Φ(v) without cancellation: for v < 0 it is erfc(−v/√2)/2. Beyond 10 nothing is left to add.
fn phi(v: f32) -> f32 {
  let tail = 0.5 * erfcPositive(min(abs(v), 10.0) * 0.7071067811865476);
  return select(tail, 1.0 - tail, v > 0.0);
}

fn forward(v: f32) -> f32 {
#if FORM == 0
  return v * phi(v);
#endif
#if FORM == 1
  let c = clamp(v, -1e4, 1e4);
  return 0.5 * v * (1.0 + tanhSafe(0.7978845608028654 * (c + 0.044715 * c * c * c)));
#endif
#if FORM == 2
  return tanhSafe(v);
#endif
#if FORM == 3
  return max(v, 0.0);
#endif
}

fn slope(v: f32) -> f32 {
#if FORM == 0
  let c = clamp(v, -12.0, 12.0);
  return phi(v) + c * 0.3989422804014327 * exp(-0.5 * c * c);
#endif
#if FORM == 1
  let c = clamp(v, -1e4, 1e4);
  let t = tanhSafe(0.7978845608028654 * (c + 0.044715 * c * c * c));
  let inner = clamp(v, -100.0, 100.0);
  return 0.5 * (1.0 + t) + 0.5 * inner * (1.0 - t * t) * 0.7978845608028654 * (1.0 + 0.134145 * inner * inner);
#endif
#if FORM == 2
  let t = tanhSafe(v);
  return 1.0 - t * t;
#endif
#if FORM == 3
  return select(0.0, 1.0, v > 0.0);
#endif
}

@compute @workgroup_size(GROUP)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) thread: u32) {
  let g = p.base + group.x + groups.x * (group.y + groups.y * group.z);
  let start = (g * GROUP + thread) * PER_THREAD;
  if (g >= p.total || start >= p.count) { return; }
  let end = min(start + PER_THREAD, p.count);
  for (var i = start; i < end; i++) {
#if BACKWARD
    out[i] = dy[i] * slope(x[i]);
#else
    out[i] = forward(x[i]);
#endif
  }
}
