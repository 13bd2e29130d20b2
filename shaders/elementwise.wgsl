// out[i] = a[i] + b[j], a[i] - b[j], a[i] * b[j], a[i] * s, s, a[i], out[i] + a[i]: FORM 0 to 6.
// j = i, or i mod period where b is one row that is repeated (BROADCAST).
//
// binding 0  uniform {base, total groups, count, s, period}: count and period in shares
// binding 1  out  as a [count]
// binding 2  a    f32 or f16 [count]             (not for FORM 4)
// binding 3  b    f32 or f16 [count] or [period] (FORM 0, 1, 2)
//
// A thread takes a share: PER_THREAD neighbouring cells, read and written as one value, which software adapters do at once.
// Group g of 64 threads takes 64 shares.
const FORM = 0u;
const BROADCAST = false;
const GROUP = 64u;
alias Cell = f32; // or vec4f
alias A = Cell; // or its half floats
alias B = Cell;
const PER_THREAD = 1u;
alias ShareA = array<A, PER_THREAD>;
alias ShareB = array<B, PER_THREAD>;

struct Params { base: u32, total: u32, count: u32, s: f32, period: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> out: array<ShareA>;
#if !FORM == 4
@group(0) @binding(2) var<storage, read> a: array<ShareA>;
#endif
#if !FORM > 2
@group(0) @binding(3) var<storage, read> b: array<ShareB>;
#endif

@compute @workgroup_size(GROUP)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) thread: u32) {
  let g = p.base + group.x + groups.x * (group.y + groups.y * group.z);
  let i = g * GROUP + thread;
  if (g >= p.total || i >= p.count) { return; }
#if !FORM == 4
  let x = a[i];
#endif
#if FORM == 6
  let was = out[i];
#endif
#if !FORM > 2
#if BROADCAST
  let y = b[i % p.period];
#else
  let y = b[i];
#endif
#endif
  var z: ShareA;
#unroll
  for (var k = 0u; k < PER_THREAD; k++) {
#if FORM == 0
    z[k] = A(Cell(x[k]) + Cell(y[k]));
#endif
#if FORM == 1
    z[k] = A(Cell(x[k]) - Cell(y[k]));
#endif
#if FORM == 2
    z[k] = A(Cell(x[k]) * Cell(y[k]));
#endif
#if FORM == 3
    z[k] = A(Cell(x[k]) * p.s);
#endif
#if FORM == 4
    z[k] = A(Cell(p.s));
#endif
#if FORM == 5
    z[k] = x[k];
#endif
#if FORM == 6
    z[k] = A(Cell(was[k]) + Cell(x[k]));
#endif
  }
  out[i] = z;
}
