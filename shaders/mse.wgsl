// Mean squared error. FORM 0: out[i] = (a[i] − t[i])². FORM 1: out[i] = dy·2/n·(a[i] − t[i]).
//
// binding 0  uniform {base, total groups, count, 2/n}
// binding 1  out  f32[count]
// binding 2  a    f32[count]
// binding 3  t    f32[count]
// binding 4  dy   f32[1]     (FORM 1)
//
// A thread writes one element; group g writes [64g, 64g + 64).
const FORM = 0u;
const GROUP = 64u;

struct Params { base: u32, total: u32, count: u32, factor: f32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;
@group(0) @binding(2) var<storage, read> a: array<f32>;
@group(0) @binding(3) var<storage, read> t: array<f32>;
#if FORM == 1
@group(0) @binding(4) var<storage, read> dy: array<f32>;
#endif

@compute @workgroup_size(GROUP)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) thread: u32) {
  let g = p.base + group.x + groups.x * (group.y + groups.y * group.z);
  let i = g * GROUP + thread;
  if (g >= p.total || i >= p.count) { return; }
  let d = a[i] - t[i];
#if FORM == 0
  out[i] = d * d;
#else
  out[i] = dy[0] * p.factor * d;
#endif
}
