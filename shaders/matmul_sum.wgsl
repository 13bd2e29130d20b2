// C[b, m, n] = alpha · Σ_s P[s, b, m, n]  (+ bias[b0, n])  (+ C[b, m, n])
// The second pass of a product whose k was cut into parts: part s left its sums in slot s, and the slots are added by
// their index, so that a run gives the same bits twice.
//
// C element (m, n) lies at cOff + b0·cB0 + b1·cB1 + m·cRow + n, b = b0·batch1 + b1; P is dense.
//
// binding 0  uniform Params
// binding 1  C     TC
// binding 2  P     f32[slots, count], count = batches · m · n
// binding 3  bias  f32[batch0, n]; anything without BIAS
//
// A thread makes one number of C; group g: numbers GROUP·g … GROUP·g + GROUP − 1.
alias TC = f32; // or f16
const GROUP = 64u;
const BIAS = 1u; // bits of epilogue
const ACCUMULATE = 2u;

struct Params {
  base: u32, total: u32, m: u32, n: u32, slots: u32, count: u32,
  cOff: u32, cRow: u32, cB0: u32, cB1: u32,
  batch1: u32, alpha: f32, biasOff: u32, epilogue: u32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> c: array<TC>;
@group(0) @binding(2) var<storage, read> sums: array<f32>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;

@compute @workgroup_size(GROUP)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) thread: u32) {
  let g = p.base + group.x + groups.x * (group.y + groups.y * group.z);
  let i = g * GROUP + thread;
  if (g >= p.total || i >= p.count) { return; }
  var sum = 0.0;
  for (var s = 0u; s < p.slots; s++) {
    sum += sums[s * p.count + i];
  }
  let row = i / p.n;
  let column = i % p.n;
  let batch = row / p.m;
  let at = p.cOff + batch / p.batch1 * p.cB0 + batch % p.batch1 * p.cB1 + row % p.m * p.cRow + column;
  var value = p.alpha * sum;
  if ((p.epilogue & BIAS) != 0u) { value += bias[p.biasOff + batch / p.batch1 * p.n + column]; }
  if ((p.epilogue & ACCUMULATE) != 0u) { value += f32(c[at]); }
  c[at] = TC(value);
}
