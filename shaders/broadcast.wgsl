// out[i] = factor · s[0]: the gradient of a sum or a mean.
//
// binding 0  uniform {base, total groups, count, factor}
// binding 1  out  f32[count]
// binding 2  s    f32[1]
//
// A thread writes one element; group g writes [64g, 64g + 64).
const GROUP = 64u;

struct Params { base: u32, total: u32, count: u32, factor: f32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;
@group(0) @binding(2) var<storage, read> s: array<f32>;

@compute @workgroup_size(GROUP)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) thread: u32) {
  let g = p.base + group.x + groups.x * (group.y + groups.y * group.z);
  let i = g * GROUP + thread;
  if (g >= p.total || i >= p.count) { return; }
  out[i] = p.factor * s[0];
}
