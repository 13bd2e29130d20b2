// Clipping by the global norm, then AdamW (PyTorch's: eps after bias correction), over flat ranges of all trained numbers.
//
// FORM 0, squares:  partial[g] = Σ over the group's range of grad²
// FORM 1, norm:     norm = √Σ partial;  clip = min(1, maxNorm / (norm + 1e-6));  apply = norm and loss are finite, and, where
//                   count ≠ 0 (hold), no step before was refused
//                   status = {norm, clip, apply, first step that was not finite (0: none)}
// FORM 2, step:     g = clip·grad;  m ← β1·m + (1−β1)·g;  v ← β2·v + (1−β2)·g²
//                   p ← p·(1 − lr·λ) − lr · (m / c1) / (√(v / c2) + eps);   nothing at all where apply = 0
// hyper = {lr, c1 = 1 − β1ᵗ, c2 = 1 − β2ᵗ, t}: rewritten by the CPU before each step, so that replays need nothing else.
//
// FORM 0: binding 1 partial (written), 2 grad
// FORM 1: binding 1 status (written), 2 partial, 3 hyper, 4 loss [1]
// FORM 2: binding 1 p, 2 m, 3 v (written), 4 grad, 5 hyper, 6 status
//
// FORM 0: group g sums elements [PER_GROUP·g, PER_GROUP·(g+1)); a thread takes every 64th, then a tree in the group.
// FORM 1: one group.  FORM 2: group g of 64 threads takes [256g, 256g + 256).
const FORM = 2u;
const GROUP = 64u;
const PER_GROUP = 4096u;

struct Params {
  base: u32, total: u32, count: u32, partials: u32, maxNorm: f32, beta1: f32, beta2: f32, eps: f32, decay: f32, lrScale: f32,
  rest1: f32, rest2: f32, // 1 − β1 and 1 − β2, rounded once: 1 − f32(0.999) is off by 1.3e-5
}
@group(0) @binding(0) var<uniform> p: Params;
#if FORM == 0
@group(0) @binding(1) var<storage, read_write> partial: array<f32>;
@group(0) @binding(2) var<storage, read> grad: array<f32>;
#endif
#if FORM == 1
@group(0) @binding(1) var<storage, read_write> status: array<f32>;
@group(0) @binding(2) var<storage, read> partial: array<f32>;
@group(0) @binding(3) var<storage, read> hyper: array<f32>;
@group(0) @binding(4) var<storage, read> loss: array<f32>;
#endif
#if FORM == 2
@group(0) @binding(1) var<storage, read_write> param: array<f32>;
@group(0) @binding(2) var<storage, read_write> m: array<f32>;
@group(0) @binding(3) var<storage, read_write> v: array<f32>;
@group(0) @binding(4) var<storage, read> grad: array<f32>;
@group(0) @binding(5) var<storage, read> hyper: array<f32>;
@group(0) @binding(6) var<storage, read> status: array<f32>;
#else
var<workgroup> sums: array<f32, GROUP>;

fn tree(thread: u32, mine: f32) -> f32 {
  sums[thread] = mine;
  for (var width = GROUP / 2u; width > 0u; width /= 2u) {
    workgroupBarrier();
    if (thread < width) { sums[thread] += sums[thread + width]; }
  }
  workgroupBarrier();
  return sums[0];
}
#endif

@compute @workgroup_size(GROUP)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) thread: u32) {
  let g = p.base + group.x + groups.x * (group.y + groups.y * group.z);
  if (g >= p.total) { return; }
#if FORM == 0
  var sum = 0.0;
  let end = min(p.count, (g + 1u) * PER_GROUP);
  for (var i = g * PER_GROUP + thread; i < end; i += GROUP) { sum += grad[i] * grad[i]; }
  let whole = tree(thread, sum);
  if (thread == 0u) { partial[p.partials + g] = whole; }
#endif
#if FORM == 1
  var sum = 0.0;
  for (var i = thread; i < p.partials; i += GROUP) { sum += partial[i]; }
  let square = tree(thread, sum);
  if (thread == 0u) {
    // WGSL promises no NaN or infinity, but their bits are what they are: all exponent bits set.
    let finite = (bitcast<u32>(square) & 0x7f800000u) != 0x7f800000u;
    let good = finite && (bitcast<u32>(loss[0]) & 0x7f800000u) != 0x7f800000u;
    let norm = sqrt(select(0.0, square, finite));
    status[0] = select(bitcast<f32>(0x7f000000u), norm, finite);
    status[1] = select(1.0, min(1.0, p.maxNorm / (norm + 1e-6)), p.maxNorm > 0.0);
    status[2] = select(0.0, 1.0, good && (p.count == 0u || status[3] == 0.0));
    if (!good && status[3] == 0.0) { status[3] = hyper[3]; }
  }
#endif
#if FORM == 2
  if (status[2] == 0.0) { return; }
  let start = (g * GROUP + thread) * 4u;
  let end = min(start + 4u, p.count);
  let lr = hyper[0] * p.lrScale;
  for (var i = start; i < end; i++) {
    let gradient = grad[i] * status[1];
    let mNew = p.beta1 * m[i] + p.rest1 * gradient;
    let vNew = p.beta2 * v[i] + p.rest2 * gradient * gradient;
    m[i] = mNew;
    v[i] = vNew;
    param[i] = param[i] * (1.0 - lr * p.decay) - lr * (mNew / hyper[1]) / (sqrt(vNew / hyper[2]) + p.eps);
  }
#endif
}
