// Rows of n numbers: y = γ·x̂ + β, x̂ = (x − μ)·ρ, ρ = 1/√(σ² + eps), σ² the biased variance (two passes over the row).
//
// FORM 0, forward:    y, and {μ, ρ} of each row for backward
// FORM 1, input:      h = γ∘dy, c1 = mean(h), c2 = mean(h∘x̂):  dx = ρ·(h − c1 − x̂·c2)
// FORM 2, terms of γ: out = dy∘x̂, whose column sums are dγ (dβ: column sums of dy)
//
// binding 0  uniform {base, total groups, rows, n, eps}
// binding 1  out    f32[rows, n]
// binding 2  stats  f32[rows, 2]   written by FORM 0
// binding 3  x      f32[rows, n]
// binding 4  γ      f32[n]         (FORM 0, 1)
// binding 5  β      f32[n] (FORM 0), or dy f32[rows, n] (FORM 1, 2: binding 4 for FORM 2)
//
// LANES threads share a row: 1 on software adapters, where barriers are dear; 32 on GPUs, with a tree in the group.
//   group g: rows [g·ROWS, (g+1)·ROWS)
const LANES = 1u;
const ROWS = 16u; // per group
const GROUP = 16u; // LANES × ROWS
const FORM = 0u;

struct Params { base: u32, total: u32, rows: u32, n: u32, eps: f32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;
#if FORM == 0
@group(0) @binding(2) var<storage, read_write> stats: array<f32>;
#else
@group(0) @binding(2) var<storage, read> stats: array<f32>;
#endif
@group(0) @binding(3) var<storage, read> x: array<f32>;
#if FORM == 2
@group(0) @binding(4) var<storage, read> dy: array<f32>;
#else
@group(0) @binding(4) var<storage, read> gamma: array<f32>;
#endif
#if FORM == 0
@group(0) @binding(5) var<storage, read> beta: array<f32>;
#endif
#if FORM == 1
@group(0) @binding(5) var<storage, read> dy: array<f32>;
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
#else
fn total(thread: u32, mine: f32) -> f32 { return mine; }
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
  let count = f32(p.n);
#if FORM == 0
  var sum = 0.0;
  for (var j = lane; j < p.n; j += LANES) { sum += x[at + j]; }
  let mu = total(thread, sum) / count;
  var square = 0.0;
  for (var j = lane; j < p.n; j += LANES) {
    let d = x[at + j] - mu;
    square += d * d;
  }
  let rho = 1.0 / sqrt(total(thread, square) / count + p.eps);
  if (mine >= p.rows) { return; }
  if (lane == 0u) {
    stats[2u * row] = mu;
    stats[2u * row + 1u] = rho;
  }
  for (var j = lane; j < p.n; j += LANES) { out[at + j] = gamma[j] * ((x[at + j] - mu) * rho) + beta[j]; }
#else
  let mu = stats[2u * row];
  let rho = stats[2u * row + 1u];
#endif
#if FORM == 1
  var s1 = 0.0;
  var s2 = 0.0;
  for (var j = lane; j < p.n; j += LANES) {
    let h = gamma[j] * dy[at + j];
    s1 += h;
    s2 += h * ((x[at + j] - mu) * rho);
  }
  let c1 = total(thread, s1) / count;
  let c2 = total(thread, s2) / count;
  if (mine >= p.rows) { return; }
  for (var j = lane; j < p.n; j += LANES) {
    out[at + j] = rho * (gamma[j] * dy[at + j] - c1 - (x[at + j] - mu) * rho * c2);
  }
#endif
#if FORM == 2
  if (mine >= p.rows) { return; }
  for (var j = lane; j < p.n; j += LANES) { out[at + j] = dy[at + j] * (x[at + j] - mu) * rho; }
#endif
}
