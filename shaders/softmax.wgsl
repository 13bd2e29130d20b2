// Rows of n numbers. Forward: P = softmax(scale·x + mask); masked places get exactly 0, a fully masked row is all 0.
// Backward: dx = scale · P ∘ (dP − Σ_j P_j·dP_j).
//
// binding 0  uniform {base, total groups, rows, n, scale, rows per mask row, first row}
// binding 1  out   f32[rows, n]   P, or dx (BACKWARD)
// binding 2  x     f32[rows, n]   scores, or P (BACKWARD)
// binding 3  mask  i32[.., n], 1 = keep (MASK), or dP f32[rows, n] (BACKWARD)
//
// LANES threads share a row: 1 on software adapters, where barriers are dear; 32 on GPUs, with a tree in the group.
//   group g: rows [g·ROWS, (g+1)·ROWS)
const LANES = 1u;
const ROWS = 16u; // per group
const GROUP = 16u; // LANES × ROWS
const MASK = false;
const BACKWARD = false;

struct Params { base: u32, total: u32, rows: u32, n: u32, scale: f32, perMask: u32, first: u32, maskAt: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;
@group(0) @binding(2) var<storage, read> x: array<f32>;
#if MASK
@group(0) @binding(3) var<storage, read> mask: array<i32>;
#endif
#if BACKWARD
@group(0) @binding(3) var<storage, read> dp: array<f32>;
#endif

#if LANES > 1
var<workgroup> shared: array<f32, GROUP>;
fn total(thread: u32, mine: f32) -> f32 {
  shared[thread] = mine;
  for (var width = LANES / 2u; width > 0u; width /= 2u) {
    workgroupBarrier();
    if (thread % LANES < width) { shared[thread] += shared[thread + width]; }
  }
  workgroupBarrier();
  let sum = shared[thread - thread % LANES];
  workgroupBarrier();
  return sum;
}
fn largest(thread: u32, mine: f32) -> f32 {
  shared[thread] = mine;
  for (var width = LANES / 2u; width > 0u; width /= 2u) {
    workgroupBarrier();
    if (thread % LANES < width) { shared[thread] = max(shared[thread], shared[thread + width]); }
  }
  workgroupBarrier();
  let most = shared[thread - thread % LANES];
  workgroupBarrier();
  return most;
}
#else
fn total(thread: u32, mine: f32) -> f32 { return mine; }
fn largest(thread: u32, mine: f32) -> f32 { return mine; }
#endif

@compute @workgroup_size(GROUP)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) thread: u32) {
  let g = p.base + group.x + groups.x * (group.y + groups.y * group.z);
  if (g >= p.total) { return; }
  // Threads past the last row work on it too: barriers are met by all. They do not write.
  let mine = g * ROWS + thread / LANES;
  let row = min(mine, p.rows - 1u);
  let lane = thread % LANES;
  let at = row * p.n;
#if BACKWARD
  var sum = 0.0;
  for (var j = lane; j < p.n; j += LANES) { sum += x[at + j] * dp[at + j]; }
  let dotted = total(thread, sum);
  if (mine >= p.rows) { return; }
  for (var j = lane; j < p.n; j += LANES) { out[at + j] = p.scale * x[at + j] * (dp[at + j] - dotted); }
#else
#if MASK
  let keep = p.maskAt + ((p.first + row) / p.perMask) * p.n;
#endif
  var most = -3.0e38;
  for (var j = lane; j < p.n; j += LANES) {
#if MASK
    most = max(most, select(-3.0e38, p.scale * x[at + j], mask[keep + j] != 0));
#else
    most = max(most, p.scale * x[at + j]);
#endif
  }
  let peak = largest(thread, most);
  var sum = 0.0;
  for (var j = lane; j < p.n; j += LANES) {
#if MASK
    sum += select(0.0, exp(min(p.scale * x[at + j] - peak, 0.0)), mask[keep + j] != 0);
#else
    sum += exp(p.scale * x[at + j] - peak);
#endif
  }
  let all = total(thread, sum);
  if (mine >= p.rows) { return; }
  let factor = select(0.0, 1.0 / all, all > 0.0);
  for (var j = lane; j < p.n; j += LANES) {
#if MASK
    out[at + j] = factor * select(0.0, exp(min(p.scale * x[at + j] - peak, 0.0)), mask[keep + j] != 0);
#else
    out[at + j] = factor * exp(p.scale * x[at + j] - peak);
#endif
  }
#endif
}
