// Sums in a fixed order.
//
// FORM 0, columns: out[part, c] = Σ over the part's rows of x[row, c]; parts of PER_PART rows, in order
// FORM 1, all:     out[g] = Σ over the group's range of x, a tree in the group
//
// binding 0  uniform {base, total groups, rows or count, columns, factor on the result, first element of x and of out}
// binding 1  out  f32
// binding 2  x    f32 or f16
//
// FORM 0: a thread owns one column of one part; groups: parts × tiles of 64 columns.
// FORM 1: group g sums [PER_GROUP·g, PER_GROUP·(g + 1)).
const FORM = 0u;
const GROUP = 64u;
const PER_PART = 64u;
const PER_GROUP = 4096u;
alias X = f32; // or f16

struct Params { base: u32, total: u32, rows: u32, columns: u32, scale: f32, xAt: u32, outAt: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;
@group(0) @binding(2) var<storage, read> x: array<X>;

#if FORM == 1
var<workgroup> sums: array<f32, GROUP>;
#endif

@compute @workgroup_size(GROUP)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) thread: u32) {
  let g = p.base + group.x + groups.x * (group.y + groups.y * group.z);
  if (g >= p.total) { return; }
#if FORM == 0
  let tiles = (p.columns + GROUP - 1) / GROUP;
  let part = g / tiles;
  let column = (g % tiles) * GROUP + thread;
  if (column >= p.columns) { return; }
  var sum = 0.0;
  let end = min(p.rows, (part + 1u) * PER_PART);
  for (var row = part * PER_PART; row < end; row++) { sum += f32(x[p.xAt + row * p.columns + column]); }
  out[p.outAt + part * p.columns + column] = sum * p.scale;
#else
  var sum = 0.0;
  let end = min(p.rows, (g + 1u) * PER_GROUP);
  for (var i = g * PER_GROUP + thread; i < end; i += GROUP) {
    sum += f32(x[p.xAt + i]);
  }
  sums[thread] = sum;
  for (var width = GROUP / 2u; width > 0u; width /= 2u) {
    workgroupBarrier();
    if (thread < width) { sums[thread] += sums[thread + width]; }
  }
  if (thread == 0u) { out[p.outAt + g] = sums[0] * p.scale; }
#endif
}
