// out[i] = a[i] + b[j], a[i] - b[j], a[i] * b[j], a[i] * s, s, a[i], out[i] + a[i]: FORM 0 to 6.
// j = i, or i mod period where b is one row that is repeated (BROADCAST).
//
// binding 0  uniform {base, total groups, count, s, period}
// binding 1  out  as a [count]
// binding 2  a    f32 or f16 [count]             (not for FORM 4)
// binding 3  b    f32 or f16 [count] or [period] (FORM 0, 1, 2)
//
// A thread takes PER_THREAD neighbouring cells; group g of 64 threads takes 64·PER_THREAD of them.
const FORM = 0u;
const BROADCAST = false;
const GROUP = 64u;
alias Cell = f32; // or vec4f: count and period are in cells
alias A = Cell; // or its half floats
alias B = Cell;
const PER_THREAD = 4u;

struct Params { base: u32, total: u32, count: u32, s: f32, period: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> out: array<A>;
#if !FORM == 4
@group(0) @binding(2) var<storage, read> a: array<A>;
#endif
#if !FORM > 2
@group(0) @binding(3) var<storage, read> b: array<B>;
#endif

fn value(i: u32) -> Cell {
#if BROADCAST
  let j = i % p.period;
#else
  let j = i;
#endif
#if FORM == 0
  return Cell(a[i]) + Cell(b[j]);
#endif
#if FORM == 1
  return Cell(a[i]) - Cell(b[j]);
#endif
#if FORM == 2
  return Cell(a[i]) * Cell(b[j]);
#endif
#if FORM == 3
  return Cell(a[i]) * p.s;
#endif
#if FORM == 4
  return Cell(p.s);
#endif
#if FORM == 5
  return Cell(a[i]);
#endif
#if FORM == 6
  return Cell(out[i]) + Cell(a[i]);
#endif
}

@compute @workgroup_size(GROUP)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) thread: u32) {
  let g = p.base + group.x + groups.x * (group.y + groups.y * group.z);
  let start = (g * GROUP + thread) * PER_THREAD;
  if (g >= p.total || start >= p.count) { return; }
  let end = min(start + PER_THREAD, p.count);
  for (var i = start; i < end; i++) { out[i] = A(value(i)); }
}
