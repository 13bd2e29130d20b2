// Rows of c logits z with a label t: loss = LSE(z) − (1 − ε)·z_t − (ε/c)·Σ z; rows whose label is `ignore` count nothing.
//
// FORM 0: loss[row] (0 for ignored rows)
// FORM 1: count of rows that are not ignored, one thread, in order: scale = 1/count (0 if there is none)
// FORM 2: dz_j = dy·scale·(softmax_j − (1 − ε)[j = t] − ε/c); ignored rows get zeros
//
// binding 0  uniform {base, total groups, rows, c, smoothing ε, ignored label}
// binding 1  out     f32: loss [rows], {scale}, or dz [rows, c]
// binding 2  labels  i32[rows]
// binding 3  z       f32[rows, c]   (FORM 0, 2)
// binding 4  scale   f32[1]         (FORM 2)
// binding 5  dy      f32[1]         (FORM 2)
//
// A thread owns a row; group g: rows [64g, 64g + 64).
const FORM = 0u;
const GROUP = 64u;
const MEAN = true;

struct Params { base: u32, total: u32, rows: u32, c: u32, smoothing: f32, ignored: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;
@group(0) @binding(2) var<storage, read> labels: array<i32>;
#if !FORM == 1
@group(0) @binding(3) var<storage, read> z: array<f32>;
#endif
#if FORM == 2
@group(0) @binding(4) var<storage, read> scale: array<f32>;
@group(0) @binding(5) var<storage, read> dy: array<f32>;
#endif

@compute @workgroup_size(GROUP)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) thread: u32) {
  let g = p.base + group.x + groups.x * (group.y + groups.y * group.z);
  let row = g * GROUP + thread;
  if (g >= p.total || row >= p.rows) { return; }
#if FORM == 1
  if (row > 0u) { return; }
  var count = 0.0;
  for (var i = 0u; i < p.rows; i++) { count += select(0.0, 1.0, labels[i] != bitcast<i32>(p.ignored)); }
#if MEAN
  out[0] = select(0.0, 1.0 / count, count > 0.0);
#else
  out[0] = 1.0;
#endif
#else
  let label = labels[row];
  let ignored = label == bitcast<i32>(p.ignored);
  let t = u32(clamp(label, 0, i32(p.c) - 1));
  let at = row * p.c;
  var peak = z[at];
  for (var j = 1u; j < p.c; j++) { peak = max(peak, z[at + j]); }
  var sum = 0.0;
  var all = 0.0;
  for (var j = 0u; j < p.c; j++) {
    sum += exp(z[at + j] - peak);
    all += z[at + j] - peak;
  }
#if FORM == 0
  let loss = log(sum) - (1.0 - p.smoothing) * (z[at + t] - peak) - p.smoothing / f32(p.c) * all;
  out[row] = select(loss, 0.0, ignored);
#else
  let w = select(dy[0] * scale[0], 0.0, ignored);
  for (var j = 0u; j < p.c; j++) {
    let hit = select(0.0, 1.0 - p.smoothing, j == t);
    out[at + j] = w * (exp(z[at + j] - peak) / sum - hit - p.smoothing / f32(p.c));
  }
#endif
#endif
}
