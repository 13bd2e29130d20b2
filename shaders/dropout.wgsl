// y_i = keep(i)·x_i / (1 − p). keep(i) is a function of (seed, step, stream, i) alone: backward draws the same mask.
//
// One call of Philox4x32-10 with counter {i / 8, stream, step, 0} and key {seed, seed'} gives eight 16-bit numbers for
// elements 8k … 8k + 7, low halves first; an element is kept if its number ≥ threshold = round(p·65536).
//
// binding 0  uniform {base, total groups, count, threshold, stream, first element / 8, 1/(1 − p)}
// binding 1  y      f32 or f16 [count]
// binding 2  x      as y
// binding 3  state  u32[4]: seed, seed', step, unused
//
// A thread owns PER_THREAD blocks of eight neighbours; group g of 64 threads: 512·PER_THREAD elements.
const GROUP = 64u;
const PER_THREAD = 1u;
const BITS = false; // only what is kept: a bit an element of rows of n, each row in words of its own
const WIDE = false; // a cell is four neighbours; count stays in single numbers
alias Cell = f32;
alias X = Cell; // or its half floats

#if BITS
struct Params { base: u32, total: u32, count: u32, threshold: u32, stream: u32, n: u32, words: u32 }
#else
struct Params { base: u32, total: u32, count: u32, threshold: u32, stream: u32, block0: u32, scale: f32 }
#endif
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> y: array<X>;
#if BITS
@group(0) @binding(2) var<storage, read> state: array<u32>;
#else
@group(0) @binding(2) var<storage, read> x: array<X>;
@group(0) @binding(3) var<storage, read> state: array<u32>;
#endif

// {high, low} of a 32 × 32 product: WGSL has no high half of its own.
fn mulWide(a: u32, b: u32) -> vec2u {
  let al = a & 0xffffu;
  let ah = a >> 16u;
  let bl = b & 0xffffu;
  let bh = b >> 16u;
  let mid = ah * bl + ((al * bl) >> 16u);
  let low = al * bh + (mid & 0xffffu);
  return vec2u(ah * bh + (mid >> 16u) + (low >> 16u), a * b);
}

fn philox(counter: vec4u, seed: vec2u) -> vec4u {
  var c = counter;
  var k = seed;
  for (var round = 0u; round < 10u; round++) {
    let p0 = mulWide(c.x, 0xd2511f53u);
    let p1 = mulWide(c.z, 0xcd9e8d57u);
    c = vec4u(p1.x ^ c.y ^ k.x, p1.y, p0.x ^ c.w ^ k.y, p0.y);
    k += vec2u(0x9e3779b9u, 0xbb67ae85u);
  }
  return c;
}

@compute @workgroup_size(GROUP)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) thread: u32) {
  let g = p.base + group.x + groups.x * (group.y + groups.y * group.z);
  if (g >= p.total) { return; }
#if BITS
  let word = g * GROUP + thread;
  if (word >= p.count) { return; }
  // 32 elements begin inside a block of eight, so that they may end in a fifth.
  let first = word / p.words * p.n + word % p.words * 32u;
  let shift = first % 8u;
  var kept = 0u;
  for (var i = 0u; i < 5u; i++) {
    if (i * 8u < 32u + shift) {
      let random = philox(vec4u(first / 8u + i, p.stream, state[2], 0u), vec2u(state[0], state[1]));
      let low = vec4u((random & vec4u(0xffffu)) >= vec4u(p.threshold));
      let high = vec4u((random >> vec4u(16u)) >= vec4u(p.threshold));
      let eight = dot(low, vec4u(1, 4, 16, 64)) + dot(high, vec4u(2, 8, 32, 128));
      kept |= select(eight << (8u * i - shift), eight >> shift, i == 0u);
    }
  }
  y[word] = kept;
#else
  let first = (g * GROUP + thread) * PER_THREAD;
  let end = min(first + PER_THREAD, (p.count + 7u) / 8u);
  for (var block = first; block < end; block++) {
    let random = philox(vec4u(p.block0 + block, p.stream, state[2], 0u), vec2u(state[0], state[1]));
#if WIDE
    for (var j = 0u; j < 2u; j++) {
      let i = block * 2u + j;
      if (i < p.count / 4u) {
        let numbers = (vec4u(random[2u * j], random[2u * j], random[2u * j + 1u], random[2u * j + 1u]) >> vec4u(0, 16, 0, 16)) & vec4u(0xffffu);
        y[i] = X(select(vec4f(), vec4f(x[i]) * p.scale, numbers >= vec4u(p.threshold)));
      }
    }
#else
    for (var j = 0u; j < 8u; j++) {
      let i = block * 8u + j;
      if (i < p.count) {
        let number = (random[j / 2u] >> (16u * (j % 2u))) & 0xffffu;
        y[i] = X(select(0.0, f32(x[i]) * p.scale, number >= p.threshold));
      }
    }
#endif
  }
#endif
}
