// Rows of a table by id. Tables and batches may be larger than a binding: each dispatch sees a part of either.
//
// FORM 0, lookup:   y[i, :] = table[ids[i], :], or added to y, where ids[i] lies in this part of the table; else untouched
//   with SUM:      y[i, :] = table[ids[i], :] + sum[i, :]: what is summed in f32 and kept as half floats is rounded once
// FORM 1, gradient: dtable[token, :] += Σ of dy over the token's positions, in ascending order, for tokens of this part
//                   and positions of this range; dtable starts as zeros
//
// binding 0  uniform {base, total groups, count, h, first row of the part, rows of the part, first position (FORM 0: of ids), positions (FORM 0: 1 = add)}
// FORM 0: binding 1 y [count, h] (written), 2 table [rows, h], each f32 or f16, 3 ids i32[count], 4 sum f32[count, h] (SUM)
// FORM 1: binding 1 dtable f32[rows, h] (written), 2 dy f32[positions, h], 3 runs i32[count, 3], 4 order i32
//         run = {token, start, end} in order; token −1: padding
//
// FORM 0: a thread copies one element; group g: elements [64g, 64g + 64).
// FORM 1: a group of 64 threads owns a run and walks its h columns.
const FORM = 0u;
const SUM = false;
const GROUP = 64u;
alias Y = f32; // or f16
alias Table = f32; // or f16

struct Params { base: u32, total: u32, count: u32, h: u32, row0: u32, rows: u32, position0: u32, positions: u32 }
@group(0) @binding(0) var<uniform> p: Params;
#if FORM == 0
@group(0) @binding(1) var<storage, read_write> y: array<Y>;
@group(0) @binding(2) var<storage, read> table: array<Table>;
@group(0) @binding(3) var<storage, read> ids: array<i32>;
#if SUM
@group(0) @binding(4) var<storage, read> sum: array<f32>;
#endif
#else
@group(0) @binding(1) var<storage, read_write> dtable: array<f32>;
@group(0) @binding(2) var<storage, read> dy: array<f32>;
@group(0) @binding(3) var<storage, read> runs: array<i32>;
@group(0) @binding(4) var<storage, read> order: array<i32>;
#endif

@compute @workgroup_size(GROUP)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) thread: u32) {
  let g = p.base + group.x + groups.x * (group.y + groups.y * group.z);
  if (g >= p.total) { return; }
#if FORM == 0
  let i = g * GROUP + thread;
  if (i >= p.count * p.h) { return; }
  let position = i / p.h;
  let id = ids[p.position0 + position];
  let row = u32(id) - p.row0; // wraps to something large for ids below the part
  if (id < 0 || row >= p.rows) { return; }
  let value = f32(table[row * p.h + (i - position * p.h)]);
#if SUM
  y[i] = Y(value + sum[i]);
#else
  if (p.positions == 0u) { y[i] = Y(value); } else { y[i] = Y(f32(y[i]) + value); }
#endif
#else
  let token = runs[3u * g];
  let row = u32(token) - p.row0;
  if (token < 0 || row >= p.rows) { return; }
  let start = u32(runs[3u * g + 1u]);
  let end = u32(runs[3u * g + 2u]);
  for (var column = thread; column < p.h; column += GROUP) {
    var sum = dtable[row * p.h + column];
    for (var k = start; k < end; k++) {
      let position = u32(order[k]) - p.position0;
      if (position < p.positions) { sum += dy[position * p.h + column]; }
    }
    dtable[row * p.h + column] = sum;
  }
#endif
}
