// C[b, m, n] = alpha · Σ_k A[b, m, k] · B[b, k, n]  (+ bias[b0, n])  (+ C[b, m, n])
// Register tiles read straight from storage as vec4, the rows of A shared by the lanes of a subgroup: each lane loads
// its part of A and the others get it by broadcast. Where a load costs more than a multiplication (software adapters,
// whose subgroups are LANES neighbours: 4 on SwiftShader, 8 on lavapipe) this is the fastest form.
//
// FORM 0: A·B    A rows along k, B rows along n.   Four k at a time.
// FORM 1: A·Bᵀ   both along k.                     Dot products of vec4, four k at a time.
// FORM 2: Aᵀ·B   A rows along m, B rows along n.   One k at a time.
// All offsets and strides are in vec4 units; those of C and bias only with WIDE, else in floats. What vec4s run along is
// a multiple of 4.
// A batch is two-level, b = b0·batch1 + b1, so that attention heads are strides and never copies.
//
// binding 0  uniform Params
// binding 1  C     TC, or vec4<TC> (WIDE)
// binding 2  A     vec4<TA>
// binding 3  B     vec4<TB>
// binding 4  bias  f32[batch0, n], or vec4f; anything without BIAS
//
//           n →  4    4    4    4
//          ┌────┬────┬────┬────┐   tile t of a batch: rows (t / tilesN)·ROWS …, columns (t % tilesN)·4·LANES …
//     m    │l 0 │l 1 │l 2 │ …  │   lane l owns ROWS rows × columns 4l … 4l + 3
//     ↓ROWS│    │    │    │    │   group g: tiles (GROUP / LANES)·g …, one a subgroup
//          └────┴────┴────┴────┘
enable subgroups;
alias TA = f32; // each of the three f32 or f16; sums are f32
alias TB = f32;
alias TC = f32;
const FORM = 0u;
const ROWS = 16u;
const LANES = 4u;
const SHARE = 4u; // ROWS / LANES: rows (FORM 0, 1) that a lane loads
const QUADS = 4u; // ROWS / 4
const LOADS = 1u; // vec4s of m (FORM 2) that a lane loads
const GROUP = 16u;
const WIDE = false; // n and C's strides are multiples of 4, columns neighbours
alias Out = f32; // or vec4f (WIDE)
#if WIDE
alias Stored = vec4<TC>;
#else
alias Stored = TC;
#endif
const BIAS = 1u; // bits of epilogue
const ACCUMULATE = 2u;

struct Params {
  base: u32, total: u32, m: u32, n: u32, k: u32,
  aOff: u32, aRow: u32, aB0: u32, aB1: u32,
  bOff: u32, bRow: u32, bB0: u32, bB1: u32,
  cOff: u32, cRow: u32, cB0: u32, cB1: u32,
  batch1: u32, alpha: f32, biasOff: u32, epilogue: u32, tiles: u32, cCol: u32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> c: array<Stored>;
@group(0) @binding(2) var<storage, read> a: array<vec4<TA>>;
@group(0) @binding(3) var<storage, read> b: array<vec4<TB>>;
@group(0) @binding(4) var<storage, read> bias: array<Out>;

fn store(at: u32, biasAt: u32, sum: Out) {
  var value = p.alpha * sum;
  if ((p.epilogue & BIAS) != 0u) { value += bias[p.biasOff + biasAt]; }
  if ((p.epilogue & ACCUMULATE) != 0u) { value += Out(c[at]); }
  c[at] = Stored(value);
}

@compute @workgroup_size(GROUP)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) thread: u32) {
  let g = p.base + group.x + groups.x * (group.y + groups.y * group.z);
  if (g >= p.total) { return; }
  // Subgroups past the last tile repeat it: broadcasts are met by all lanes. They do not write.
  let mine = g * (GROUP / LANES) + thread / LANES;
  let t = min(mine, p.tiles - 1u);
  let lane = thread % LANES;
  let tilesN = (p.n + 4u * LANES - 1u) / (4u * LANES);
  let tilesM = (p.m + ROWS - 1u) / ROWS;
  let batch = t / (tilesN * tilesM);
  let tile = t - batch * tilesN * tilesM;
  let m0 = (tile / tilesN) * ROWS;
  let n0 = ((tile % tilesN) * LANES + lane) * 4u;
  let b0 = batch / p.batch1;
  let b1 = batch % p.batch1;
  let aBase = p.aOff + b0 * p.aB0 + b1 * p.aB1;
  let bBase = p.bOff + b0 * p.bB0 + b1 * p.bB1;
  let cBase = p.cOff + b0 * p.cB0 + b1 * p.cB1;
  var acc: array<vec4f, ROWS>;

#if !FORM == 2
  // Rows and columns past the end repeat the last one: their sums are never stored.
  var rowAt: array<u32, SHARE>;
#unroll
  for (var i = 0u; i < SHARE; i++) {
    rowAt[i] = aBase + min(m0 + i * LANES + lane, p.m - 1u) * p.aRow;
  }
#endif
#if FORM == 0
  var bAt = bBase + min(n0, p.n - 4u) / 4u;
  for (var k = 0u; k < p.k / 4u; k++) {
    let r0 = vec4f(b[bAt]);
    let r1 = vec4f(b[bAt + p.bRow]);
    let r2 = vec4f(b[bAt + 2u * p.bRow]);
    let r3 = vec4f(b[bAt + 3u * p.bRow]);
    bAt += 4u * p.bRow;
#unroll
    for (var i = 0u; i < SHARE; i++) {
      let own = vec4f(a[rowAt[i] + k]);
#unroll
      for (var l = 0u; l < LANES; l++) {
        let left = subgroupBroadcast(own, l);
        acc[i * LANES + l] += left.x * r0 + left.y * r1 + left.z * r2 + left.w * r3;
      }
    }
  }
#endif
#if FORM == 1
  let last = p.n - 1u;
  let c0 = bBase + min(n0, last) * p.bRow;
  let c1 = bBase + min(n0 + 1u, last) * p.bRow;
  let c2 = bBase + min(n0 + 2u, last) * p.bRow;
  let c3 = bBase + min(n0 + 3u, last) * p.bRow;
  for (var k = 0u; k < p.k / 4u; k++) {
    let r0 = vec4f(b[c0 + k]);
    let r1 = vec4f(b[c1 + k]);
    let r2 = vec4f(b[c2 + k]);
    let r3 = vec4f(b[c3 + k]);
#unroll
    for (var i = 0u; i < SHARE; i++) {
      let own = vec4f(a[rowAt[i] + k]);
#unroll
      for (var l = 0u; l < LANES; l++) {
        let left = subgroupBroadcast(own, l);
        acc[i * LANES + l] += vec4f(dot(left, r0), dot(left, r1), dot(left, r2), dot(left, r3));
      }
    }
  }
#endif
#if FORM == 2
  // Lane l loads rows 4l … 4l + 3 (and 4·LANES on, where ROWS are more).
  let lastM = (p.m - 1u) / 4u;
  var aAt: array<u32, LOADS>;
#unroll
  for (var i = 0u; i < LOADS; i++) {
    aAt[i] = aBase + min(m0 / 4u + i * LANES + lane, lastM);
  }
  let bAt = bBase + min(n0, p.n - 4u) / 4u;
  for (var k = 0u; k < p.k; k++) {
    let right = vec4f(b[bAt + k * p.bRow]);
    var own: array<vec4f, LOADS>;
#unroll
    for (var i = 0u; i < LOADS; i++) {
      own[i] = vec4f(a[aAt[i] + k * p.aRow]);
    }
#unroll
    for (var q = 0u; q < QUADS; q++) {
      let left = subgroupBroadcast(own[q / LANES], q % LANES);
      acc[q * 4u] += left.x * right;
      acc[q * 4u + 1u] += left.y * right;
      acc[q * 4u + 2u] += left.z * right;
      acc[q * 4u + 3u] += left.w * right;
    }
  }
#endif
  if (mine >= p.tiles) { return; }
  // The sums stay in registers as long as every index is a constant: the loop that stores them reads a copy. (A driver
  // unrolls a loop whose count it knows: this one's is not to be known.)
  var sums: array<vec4f, ROWS>;
#unroll
  for (var r = 0u; r < ROWS; r++) {
    sums[r] = acc[r];
  }
  let end = min(m0 + ROWS, p.m);
  for (var row = m0; row < end; row++) {
#if WIDE
    if (n0 < p.n) { store(cBase + row * p.cRow + n0 / 4u, (b0 * p.n + n0) / 4u, sums[row - m0]); }
#else
    for (var col = n0; col < min(n0 + 4u, p.n); col++) {
      store(cBase + row * p.cRow + col * p.cCol, b0 * p.n + col, sums[row - m0][col - n0]);
    }
#endif
  }
}
