// 1 / ‖W[row] + s·B[row]·A‖ for each row of W: what DoRA divides a row by.
//
// binding 0  uniform {base, total groups, row length, r, s, first element of W, of B and of out}
// binding 1  out  f32 [rows]
// binding 2  W    TW [rows, row length]
// binding 3  A    f32 [r, row length]
// binding 4  B    f32 [rows, r]
//
// Group g takes row g; its squares are summed by a tree.
const GROUP = 64u;
alias TW = f32; // or f16

struct Params { base: u32, total: u32, inputs: u32, r: u32, s: f32, wAt: u32, bAt: u32, outAt: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;
@group(0) @binding(2) var<storage, read> w: array<TW>;
@group(0) @binding(3) var<storage, read> a: array<f32>;
@group(0) @binding(4) var<storage, read> b: array<f32>;

var<workgroup> sums: array<f32, GROUP>;

@compute @workgroup_size(GROUP)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) thread: u32) {
  let g = p.base + group.x + groups.x * (group.y + groups.y * group.z);
  if (g >= p.total) { return; }
  var sum = 0.0;
  for (var i = thread; i < p.inputs; i += GROUP) {
    var delta = 0.0;
    for (var k = 0u; k < p.r; k++) { delta += b[p.bAt + g * p.r + k] * a[k * p.inputs + i]; }
    let v = f32(w[p.wAt + g * p.inputs + i]) + p.s * delta;
    sum += v * v;
  }
  sums[thread] = sum;
  for (var width = GROUP / 2u; width > 0u; width /= 2u) {
    workgroupBarrier();
    if (thread < width) { sums[thread] += sums[thread + width]; }
  }
  if (thread == 0u) { out[p.outAt + g] = 1.0 / sqrt(sums[0]); }
}
