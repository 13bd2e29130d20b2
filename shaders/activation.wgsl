// y = f(x) element by element, and dx = dy · f'(x), recomputed from x.
//
// FORM 0: gelu(x) = x · Φ(x), Φ(x) = (1 + erf(x/√2)) / 2;  gelu' = Φ(x) + x·φ(x), φ(x) = exp(−x²/2)/√(2π)
// FORM 1: gelu's tanh form: x/2 · (1 + tanh(√(2/π)·(x + 0.044715x³)))
// FORM 2: tanh(x); tanh' = 1 − tanh²
// FORM 3: relu(x) = max(x, 0); relu' = x > 0
//
// binding 0  uniform {base, total groups, count of shares}
// binding 1  out f32 or as x [count]   y, or dx (BACKWARD): f32
// binding 2  x   f32 or f16 [count]
// binding 3  dy  f32[count]   (BACKWARD)
//
// A thread takes a share: PER_THREAD neighbouring cells, read and written as one value, which software adapters do at once.
// Group g of 64 threads takes 64 shares.
const FORM = 0u;
const BACKWARD = false;
alias Cell = f32; // or vec4f
alias X = Cell; // or its half floats
const GROUP = 64u;
const PER_THREAD = 1u;
alias Share = array<Cell, PER_THREAD>;
alias ShareX = array<X, PER_THREAD>;

struct Params { base: u32, total: u32, count: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(2) var<storage, read> x: array<ShareX>;
#if BACKWARD
@group(0) @binding(1) var<storage, read_write> out: array<Share>;
@group(0) @binding(3) var<storage, read> dy: array<Share>;
#else
@group(0) @binding(1) var<storage, read_write> out: array<ShareX>;
#endif

// 1 + tanh(v) and 1 − tanh²(v) without cancellation: exp cannot overflow, and its error stays relative in both tails.
fn onePlusTanh(v: Cell) -> Cell {
  return 2.0 / (1.0 + exp(-2.0 * clamp(v, Cell(-40.0), Cell(40.0))));
}

fn sech2(v: Cell) -> Cell {
  let t = exp(-2.0 * min(abs(v), Cell(40.0)));
  return 4.0 * t / ((1.0 + t) * (1.0 + t));
}

// exp(−2|v|) cannot overflow; near 0 the quotient would cancel, so a series takes over.
fn tanhSafe(v: Cell) -> Cell {
  let t = exp(-2.0 * min(abs(v), Cell(20.0)));
  let s = v * v;
  let series = v * (1.0 - s * (1.0 / 3.0 - s * (2.0 / 15.0 - s * (17.0 / 315.0))));
  // What is no number is not at least 0.15 either: the series leaves it none.
  return select(series, sign(v) * (1.0 - t) / (1.0 + t), abs(v) >= Cell(0.15));
}

// |v|, up to 10: beyond, nothing is left to add. (No min, which would make a number of what is none.)
fn near(v: Cell) -> Cell {
  return select(abs(v), Cell(10.0), abs(v) > Cell(10.0));
}

// exp(−a²/2)
fn bell(a: Cell) -> Cell {
  return exp2(-0.7213475204444817 * a * a);
}

// Φ(−a)·exp(a²/2), 0 ≤ a ≤ 10, without cancellation: the rational function of least relative error, 2e-7.
fn mills(a: Cell) -> Cell {
  return (12.6453476 + a * (8.91008472 + a * (2.88469267 + a * 0.398853779)))
    / (25.2907009 + a * (37.9989471 + a * (23.4451809 + a * (7.22325706 + a))));
}

fn forward(v: Cell) -> Cell {
#if FORM == 0
  let a = near(v);
  return select(v, Cell(), v < Cell()) - a * bell(a) * mills(a); // max(v, 0) − |v|·Φ(−|v|)
#endif
#if FORM == 1
  let c = clamp(v, Cell(-1e4), Cell(1e4));
  return 0.5 * select(v, Cell(-100.0), v < Cell(-100.0)) * onePlusTanh(0.7978845608028654 * (c + 0.044715 * c * c * c));
#endif
#if FORM == 2
  return tanhSafe(v);
#endif
#if FORM == 3
  return select(v, Cell(0.0), v < Cell(0.0));
#endif
}

fn slope(v: Cell) -> Cell {
#if FORM == 0
  let a = near(v);
  let left = bell(a) * (mills(a) - 0.3989422804014327 * a); // the slope at −|v|
  return select(left, 1.0 - left, v > Cell());
#endif
#if FORM == 1
  let c = clamp(v, Cell(-1e4), Cell(1e4));
  let u = 0.7978845608028654 * (c + 0.044715 * c * c * c);
  let inner = clamp(v, Cell(-100.0), Cell(100.0));
  return 0.5 * onePlusTanh(u) + 0.5 * inner * sech2(u) * 0.7978845608028654 * (1.0 + 0.134145 * inner * inner);
#endif
#if FORM == 2
  return sech2(v);
#endif
#if FORM == 3
  return select(Cell(0.0), Cell(1.0), v > Cell(0.0));
#endif
}

@compute @workgroup_size(GROUP)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) thread: u32) {
  let g = p.base + group.x + groups.x * (group.y + groups.y * group.z);
  let i = g * GROUP + thread;
  if (g >= p.total || i >= p.count) { return; }
  let v = x[i];
#if BACKWARD
  let up = dy[i];
  var y: Share;
#else
  var y: ShareX;
#endif
#unroll
  for (var k = 0u; k < PER_THREAD; k++) {
#if BACKWARD
    y[k] = up[k] * slope(Cell(v[k]));
#else
    y[k] = X(forward(Cell(v[k])));
#endif
  }
  out[i] = y;
}
