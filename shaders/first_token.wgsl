// y[b, h] = x[b, 0, h]; backward dx[b, t, h] = dy[b, h] for t = 0, else 0.
//
// binding 0  uniform {base, total groups, count, hidden, length}
// binding 1  out  f32: y [batch, hidden], or dx [batch, length, hidden] (BACKWARD)
// binding 2  in   f32 or f16: x [batch, length, hidden], or f32: dy [batch, hidden]
//
// A thread writes one element of out; group g writes [64g, 64g + 64).
const BACKWARD = false;
const GROUP = 64u;
alias X = f32; // or f16

struct Params { base: u32, total: u32, count: u32, hidden: u32, length: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;
@group(0) @binding(2) var<storage, read> in: array<X>;

@compute @workgroup_size(GROUP)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) thread: u32) {
  let g = p.base + group.x + groups.x * (group.y + groups.y * group.z);
  let i = g * GROUP + thread;
  if (g >= p.total || i >= p.count) { return; }
  let row = i / p.hidden;
  let h = i - row * p.hidden;
#if BACKWARD
  let batch = row / p.length;
  out[i] = select(0.0, f32(in[batch * p.hidden + h]), row == batch * p.length);
#else
  out[i] = f32(in[row * p.length * p.hidden + h]);
#endif
}
