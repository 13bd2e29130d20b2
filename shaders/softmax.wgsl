// Rows of n numbers. Forward: P = softmax(scale·x + mask); masked places get exactly 0, a fully masked row is all 0.
// Backward: dx = scale · P ∘ (dP − Σ_j P_j·dP_j).
//
// binding 0  uniform {base, total groups, rows, n, scale, rows per mask row, rows before this part under its first mask row,
//            first cell of the mask}
// binding 1  out   f32[rows, n]   P, or dx (BACKWARD)
// binding 2  x     f32[rows, n]   scores, or P (BACKWARD)
// binding 3  mask  i32[.., n], 1 = keep (MASK), or dP f32[rows, n] (BACKWARD)
//
// LANES threads share a row: 1 on software adapters, where barriers are dear; 32 on GPUs, with a tree in the group.
//   group g: rows [g·ROWS, (g+1)·ROWS)
const LANES = 1u;
const ROWS = 16u; // per group
const GROUP = 16u; // LANES × ROWS
const WIDE = false; // a cell is four neighbours: n counts cells then
alias Cell = f32;
alias MaskCell = i32;
const MASK = false;
const BACKWARD = false;

struct Params { base: u32, total: u32, rows: u32, n: u32, scale: f32, perMask: u32, first: u32, maskAt: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> out: array<Cell>;
@group(0) @binding(2) var<storage, read> x: array<Cell>;
#if MASK
@group(0) @binding(3) var<storage, read> mask: array<MaskCell>;
#endif
#if BACKWARD
@group(0) @binding(3) var<storage, read> dp: array<Cell>;
#endif

#if WIDE
fn sumOf(c: Cell) -> f32 { return (c.x + c.y) + (c.z + c.w); }
#else
fn sumOf(c: Cell) -> f32 { return c; }
#endif
#if WIDE
fn maxOf(c: Cell) -> f32 { return max(max(c.x, c.y), max(c.z, c.w)); }
#else
fn maxOf(c: Cell) -> f32 { return c; }
#endif

#if LANES > 1
var<workgroup> partial: array<f32, GROUP>;
fn total(thread: u32, mine: f32) -> f32 {
  partial[thread] = mine;
  for (var width = LANES / 2u; width > 0u; width /= 2u) {
    workgroupBarrier();
    if (thread % LANES < width) { partial[thread] += partial[thread + width]; }
  }
  workgroupBarrier();
  let sum = partial[thread - thread % LANES];
  workgroupBarrier();
  return sum;
}
fn largest(thread: u32, mine: f32) -> f32 {
  partial[thread] = mine;
  for (var width = LANES / 2u; width > 0u; width /= 2u) {
    workgroupBarrier();
    if (thread % LANES < width) { partial[thread] = max(partial[thread], partial[thread + width]); }
  }
  workgroupBarrier();
  let most = partial[thread - thread % LANES];
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
  var sum = Cell();
  for (var j = lane; j < p.n; j += LANES) { sum += x[at + j] * dp[at + j]; }
  let dotted = total(thread, sumOf(sum));
  if (mine >= p.rows) { return; }
  for (var j = lane; j < p.n; j += LANES) { out[at + j] = p.scale * x[at + j] * (dp[at + j] - dotted); }
#else
#if MASK
  let keep = p.maskAt + ((p.first + row) / p.perMask) * p.n;
#endif
  var most = Cell(-3.0e38);
  for (var j = lane; j < p.n; j += LANES) {
#if MASK
    most = max(most, select(Cell(-3.0e38), p.scale * x[at + j], mask[keep + j] != MaskCell(0)));
#else
    most = max(most, p.scale * x[at + j]);
#endif
  }
  let peak = largest(thread, maxOf(most));
  // Exponentials wait in out for their sum. Surplus threads must not write.
  var sum = Cell();
  for (var j = lane; j < p.n; j += LANES) {
#if MASK
    let e = select(Cell(), exp(min(p.scale * x[at + j] - peak, Cell())), mask[keep + j] != MaskCell(0));
#else
    let e = exp(p.scale * x[at + j] - peak);
#endif
    sum += e;
    if (mine < p.rows) { out[at + j] = e; }
  }
  let all = total(thread, sumOf(sum));
  if (mine >= p.rows) { return; }
  let factor = select(0.0, 1.0 / all, all > 0.0);
  for (var j = lane; j < p.n; j += LANES) { out[at + j] *= factor; }
#endif
}
