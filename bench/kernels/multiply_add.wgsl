// Arithmetic in registers alone: eight independent chains of multiply-adds a thread. Which numbers it multiplies comes from
// memory, so that no compiler can fold the loop.
const ROUNDS = 512u;

struct Uniforms { base: u32, total: u32 }
@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<storage, read> factors: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let id = u.base + group.x + groups.x * (group.y + groups.y * group.z);
  if (id >= u.total) { return; }
  let m = factors[0];
  let a = factors[1];
  var x0 = 0.0; var x1 = a; var x2 = 2 * a; var x3 = 3 * a; var x4 = 4 * a; var x5 = 5 * a; var x6 = 6 * a; var x7 = 7 * a;
  for (var i = 0u; i < ROUNDS; i++) {
    x0 = fma(x0, m, a); x1 = fma(x1, m, a); x2 = fma(x2, m, a); x3 = fma(x3, m, a);
    x4 = fma(x4, m, a); x5 = fma(x5, m, a); x6 = fma(x6, m, a); x7 = fma(x7, m, a);
  }
  y[id * 64 + lane] = x0 + x1 + x2 + x3 + x4 + x5 + x6 + x7;
}
