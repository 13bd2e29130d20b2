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
const BLOCKS = false; // forward, WIDE, LANES 1: four cells are read and written as one value, which software adapters do at once
alias Cell = f32;
alias MaskCell = i32;
const MASK = false;
const BACKWARD = false;

struct Params { base: u32, total: u32, rows: u32, n: u32, scale: f32, perMask: u32, first: u32, maskAt: u32 }
@group(0) @binding(0) var<uniform> p: Params;
#if BLOCKS
alias Stored = array<Cell, 4>;
alias StoredMask = array<MaskCell, 4>;
#else
alias Stored = Cell;
alias StoredMask = MaskCell;
#endif
@group(0) @binding(1) var<storage, read_write> out: array<Stored>;
@group(0) @binding(2) var<storage, read> x: array<Stored>;
#if MASK
@group(0) @binding(3) var<storage, read> mask: array<StoredMask>;
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

#if BLOCKS
// Four cells of a row, scaled. What is masked lies below any peak.
fn scores(row: u32, j: u32) -> Stored {
  let v = x[row * (p.n / 4u) + j];
#if MASK
  let keep = mask[(p.maskAt + (p.first + row) / p.perMask * p.n) / 4u + j];
  const never = Cell(-3.4e38);
  return Stored(
    select(never, p.scale * v[0], keep[0] != MaskCell()),
    select(never, p.scale * v[1], keep[1] != MaskCell()),
    select(never, p.scale * v[2], keep[2] != MaskCell()),
    select(never, p.scale * v[3], keep[3] != MaskCell()),
  );
#else
  return Stored(p.scale * v[0], p.scale * v[1], p.scale * v[2], p.scale * v[3]);
#endif
}

// The peak is found as the sum grows, which shrinks when a higher one comes: x is read twice, and nothing waits in out.
fn blocks(row: u32) {
  var peak = -3.3e38;
  var sum = 0.0;
  for (var j = 0u; j < p.n / 4u; j++) {
    let v = scores(row, j);
    let top = max(peak, maxOf(max(max(v[0], v[1]), max(v[2], v[3]))));
    sum = sum * exp(peak - top) + sumOf((exp(v[0] - top) + exp(v[1] - top)) + (exp(v[2] - top) + exp(v[3] - top)));
    peak = top;
  }
  let factor = select(0.0, 1.0 / sum, sum > 0.0);
  for (var j = 0u; j < p.n / 4u; j++) {
    let v = scores(row, j);
    out[row * (p.n / 4u) + j] = Stored(factor * exp(v[0] - peak), factor * exp(v[1] - peak), factor * exp(v[2] - peak), factor * exp(v[3] - peak));
  }
}
#endif

@compute @workgroup_size(GROUP)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) thread: u32) {
  let g = p.base + group.x + groups.x * (group.y + groups.y * group.z);
  if (g >= p.total) { return; }
  // Threads past the last row work on it too: barriers are met by all. They do not write.
  let mine = g * ROWS + thread / LANES;
  let row = min(mine, p.rows - 1u);
#if BLOCKS
  if (mine < p.rows) { blocks(mine); }
#else
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
#endif
}
