// A copy that only streams: one vec4 a thread.
struct Uniforms { base: u32, total: u32, cells: u32 }
@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(2) var<storage, read> x: array<vec4f>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let id = u.base + group.x + groups.x * (group.y + groups.y * group.z);
  let i = id * 64 + lane;
  if (id < u.total && i < u.cells) { y[i] = x[i]; }
}
