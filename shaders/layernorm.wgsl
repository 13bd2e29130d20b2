// Rows of n numbers: y = γ·x̂ + β, x̂ = (x − μ)·ρ, ρ = 1/√(σ² + eps), σ² the biased variance (two passes over the row).
//
// FORM 0, forward:    y, and {μ, ρ} of each row for backward
// FORM 1, input:      h = γ∘dy, c = {mean(h), mean(h∘x̂)}:  dx = ρ·(h − c.x − x̂·c.y)
// FORM 2, terms of γ: out = dy∘x̂, whose column sums are dγ (dβ: column sums of dy)
// With ADD, FORM 0 takes x + added for x and leaves that sum in added; FORM 1 and 2 read it as x.
// With DROP, added goes through dropout first, whose bits dropout.wgsl has drawn.
//
// binding 0  uniform {base, total groups, rows, n, eps, first element of stats, of bits, words of a row, 1/(1 − p)}
// binding 1  out    f32[rows, n]; in FORM 0 as x
// binding 2  stats  f32[rows, 2]   written by FORM 0
// binding 3  x      f32 or f16 [rows, n]
// binding 4  γ      f32[n]         (FORM 0, 1)
// binding 5  β      f32[n] (FORM 0), or dy f32[rows, n] (FORM 1, 2: binding 4 for FORM 2)
// binding 6  added  as x [rows, n] (FORM 0, ADD), or its gradient f32 (FORM 1, DROP); written
// binding 7  bits   u32[rows, words], bit j: number j of the row is kept   (DROP)
//
// LANES threads share a row: 1 on software adapters, where barriers are dear; 32 on GPUs, with a tree in the group.
//   group g: rows [g·ROWS, (g+1)·ROWS)
const LANES = 1u;
const ROWS = 16u; // per group
const GROUP = 16u; // LANES × ROWS
const WIDE = false; // a cell is four neighbours: n counts cells then
alias Cell = f32;
alias X = Cell; // or its half floats
const FORM = 0u;
const ADD = false;
const DROP = false;

struct Params {
  base: u32, total: u32, rows: u32, n: u32, eps: f32, statsAt: u32, bitsAt: u32, words: u32, scale: f32,
}
@group(0) @binding(0) var<uniform> p: Params;
#if FORM == 0
@group(0) @binding(1) var<storage, read_write> out: array<X>;
@group(0) @binding(2) var<storage, read_write> stats: array<f32>;
#else
@group(0) @binding(1) var<storage, read_write> out: array<Cell>;
@group(0) @binding(2) var<storage, read> stats: array<f32>;
#endif
@group(0) @binding(3) var<storage, read> x: array<X>;
#if FORM == 2
@group(0) @binding(4) var<storage, read> dy: array<Cell>;
#else
@group(0) @binding(4) var<storage, read> gamma: array<Cell>;
#endif
#if FORM == 0
@group(0) @binding(5) var<storage, read> beta: array<Cell>;
#endif
#if FORM == 1
@group(0) @binding(5) var<storage, read> dy: array<Cell>;
#endif
#if ADD
#if FORM == 0
@group(0) @binding(6) var<storage, read_write> added: array<X>;
#else
@group(0) @binding(6) var<storage, read_write> added: array<Cell>;
#endif
#endif
#if DROP
@group(0) @binding(7) var<storage, read> bits: array<u32>;

// Cell j of a row, dropped or scaled.
fn dropped(row: u32, j: u32, value: Cell) -> Cell {
#if WIDE
  let four = bits[p.bitsAt + row * p.words + j / 8u] >> (j % 8u * 4u);
  let keep = (vec4u(four) & vec4u(1, 2, 4, 8)) != vec4u();
#else
  let keep = ((bits[p.bitsAt + row * p.words + j / 32u] >> (j % 32u)) & 1u) == 1u;
#endif
  return select(Cell(), value * p.scale, keep);
}
#endif

#if WIDE
fn sumOf(c: Cell) -> f32 { return (c.x + c.y) + (c.z + c.w); }
#else
fn sumOf(c: Cell) -> f32 { return c; }
#endif

#if FORM == 0
// What is normalised; with ADD a thread reads what it has written itself.
fn input(i: u32) -> Cell {
#if ADD
  return Cell(added[i]);
#else
  return Cell(x[i]);
#endif
}
#endif

#if LANES > 1
var<workgroup> partial: array<vec2f, GROUP>;
fn total(thread: u32, mine: vec2f) -> vec2f {
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
#else
fn total(thread: u32, mine: vec2f) -> vec2f { return mine; }
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
  let moment = p.statsAt + 2u * row;
#if WIDE
  let count = 4.0 * f32(p.n);
#else
  let count = f32(p.n);
#endif
#if FORM == 0
  var all = Cell();
  for (var j = lane; j < p.n; j += LANES) {
#if ADD
#if DROP
    let value = X(Cell(x[at + j]) + dropped(row, j, Cell(added[at + j])));
#else
    let value = X(Cell(x[at + j]) + Cell(added[at + j]));
#endif
    if (mine < p.rows) { added[at + j] = value; }
    all += Cell(value);
#else
    all += Cell(x[at + j]);
#endif
  }
  let near = total(thread, vec2f(sumOf(all), 0.0)).x / count;
  // The second pass also sees by how much rounding put the first one's mean off.
  var off = Cell();
  var square = Cell();
  for (var j = lane; j < p.n; j += LANES) {
    let d = input(at + j) - near;
    off += d;
    square += d * d;
  }
  let moments = total(thread, vec2f(sumOf(off), sumOf(square))) / count;
  let mu = near + moments.x;
  let rho = 1.0 / sqrt(max(moments.y - moments.x * moments.x, 0.0) + p.eps);
  if (mine >= p.rows) { return; }
  if (lane == 0u) {
    stats[moment] = mu;
    stats[moment + 1u] = rho;
  }
  for (var j = lane; j < p.n; j += LANES) { out[at + j] = X(gamma[j] * ((input(at + j) - mu) * rho) + beta[j]); }
#else
  let mu = stats[moment];
  let rho = stats[moment + 1u];
#endif
#if FORM == 1
  var first = Cell();
  var second = Cell();
  for (var j = lane; j < p.n; j += LANES) {
    let h = gamma[j] * dy[at + j];
    first += h;
    second += h * ((Cell(x[at + j]) - mu) * rho);
  }
  let c = total(thread, vec2f(sumOf(first), sumOf(second))) / count;
  if (mine >= p.rows) { return; }
  for (var j = lane; j < p.n; j += LANES) {
    let dx = rho * (gamma[j] * dy[at + j] - c.x - (Cell(x[at + j]) - mu) * rho * c.y);
    out[at + j] = dx;
#if DROP
    added[at + j] = dropped(row, j, dx);
#endif
  }
#endif
#if FORM == 2
  if (mine >= p.rows) { return; }
  for (var j = lane; j < p.n; j += LANES) { out[at + j] = dy[at + j] * (Cell(x[at + j]) - mu) * rho; }
#endif
}
