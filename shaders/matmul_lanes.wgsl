// C[b, m, n] = alpha · Σ_k A[b, m, k] · B[b, k, n]  (+ bias[b0, n])  (+ C[b, m, n])
// Register tiles read straight from storage as vec4, the rows of A shared by the lanes of a subgroup: each lane loads
// its part of A and hands it to the others. Where a load costs more than a multiplication (software adapters, whose
// subgroups are LANES neighbours: 4 on SwiftShader, 8 on lavapipe) this is the fastest form. Four k at a time: each turn
// of the loop costs SwiftShader more than a multiplication for every sum, which it masks.
//
// FORM 0: A·B    A rows along k, B rows along n.
// FORM 1: A·Bᵀ   both along k.
// FORM 2: Aᵀ·B   A rows along m, B rows along n.
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
//           n →  4    4    4    4    4    4    4    4
//          ┌────┬────┬────┬────┬────┬────┬────┬────┐   tile t of a batch: rows (t / tilesN)·ROWS …, columns (t % tilesN)·32 …
//     m    │l 0 │l 1 │l 2 │l 3 │l 0 │l 1 │l 2 │l 3 │   lane l owns ROWS rows × columns 4l … 4l + 3 (of 4 lanes also those
//     ↓ROWS│    │    │    │    │    │    │    │    │   16 further on); group g: tiles (GROUP / LANES)·g …, one a subgroup
//          └────┴────┴────┴────┴────┴────┴────┴────┘
//
// Of 8 lanes A goes round by broadcast. Of 4 they swap in pairs, which is one instruction of SwiftShader's where a
// broadcast is ten: lane l has its sums in the order of its own row, that of its neighbour l ^ 1, of l ^ 2, of l ^ 3.
enable subgroups;
alias TA = f32; // each of the three f32 or f16; sums are f32
alias TB = f32;
alias TC = f32;
const FORM = 0u;
const ROWS = 16u;
const LANES = 4u;
const PARTS = 2u; // vec4s of columns a lane: 8 / LANES
const SHARE = 4u; // ROWS / LANES: rows (FORM 0, 1) that a lane loads
const QUADS = 4u; // ROWS / 4: 2 or 4, lanes that share their rows (FORM 2)
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
  let tilesN = (p.n + 31u) / 32u;
  let tilesM = (p.m + ROWS - 1u) / ROWS;
  let batch = t / (tilesN * tilesM);
  let tile = t - batch * tilesN * tilesM;
  let m0 = (tile / tilesN) * ROWS;
  let n0 = (tile % tilesN) * 32u + lane * 4u;
  let b0 = batch / p.batch1;
  let b1 = batch % p.batch1;
  let aBase = p.aOff + b0 * p.aB0 + b1 * p.aB1;
  let bBase = p.bOff + b0 * p.bB0 + b1 * p.bB1;
  let cBase = p.cOff + b0 * p.cB0 + b1 * p.cB1;
  var acc: array<vec4f, ROWS * PARTS>;

  // Rows and columns past the end repeat the last one: their sums are never stored.
#if FORM == 2
  let rowAt = aBase + min(m0 / 4u + lane % QUADS, (p.m - 1u) / 4u);
#else
  var rowAt: array<u32, SHARE>;
#unroll
  for (var i = 0u; i < SHARE; i++) {
    rowAt[i] = aBase + min(m0 + i * LANES + lane, p.m - 1u) * p.aRow;
  }
#endif
#if FORM == 1
  var colAt: array<vec4u, PARTS>;
#unroll
  for (var q = 0u; q < PARTS; q++) {
    colAt[q] = bBase + min(vec4u(n0, n0 + 1u, n0 + 2u, n0 + 3u) + q * 16u, vec4u(p.n - 1u)) * p.bRow;
  }
#else
  var colAt: array<u32, PARTS>;
#unroll
  for (var q = 0u; q < PARTS; q++) {
    colAt[q] = bBase + min(n0 + q * 16u, p.n - 4u) / 4u;
  }
#endif
#if FORM == 2
#if LANES == 4
  let lastK = p.k - 1u;
  for (var k = 0u; k < p.k; k += 4u) {
    // What is past the end counts 0.
    let k1 = min(k + 1u, lastK);
    let k2 = min(k + 2u, lastK);
    let k3 = min(k + 3u, lastK);
    var right: array<mat4x4f, PARTS>;
#unroll
    for (var q = 0u; q < PARTS; q++) {
      let r0 = vec4f(b[colAt[q] + k * p.bRow]);
      let r1 = select(vec4f(), vec4f(b[colAt[q] + k1 * p.bRow]), k1 > k);
      let r2 = select(vec4f(), vec4f(b[colAt[q] + k2 * p.bRow]), k2 > k1);
      let r3 = select(vec4f(), vec4f(b[colAt[q] + k3 * p.bRow]), k3 > k2);
      right[q] = mat4x4f(r0, r1, r2, r3);
    }
    let a0 = vec4f(a[rowAt + k * p.aRow]);
    let a1 = vec4f(a[rowAt + k1 * p.aRow]);
    let a2 = vec4f(a[rowAt + k2 * p.aRow]);
    let a3 = vec4f(a[rowAt + k3 * p.aRow]);
    let rows = transpose(mat4x4f(a0, a1, a2, a3));
#unroll
    for (var i = 0u; i < 4; i++) {
      let own = rows[i];
      let beside = quadSwapX(own);
#if QUADS == 4
      let below = quadSwapY(own);
      let across = quadSwapDiagonal(own);
#endif
#unroll
      for (var q = 0u; q < PARTS; q++) {
        acc[q * ROWS + i] += right[q] * own;
        acc[q * ROWS + 4u + i] += right[q] * beside;
#if QUADS == 4
        acc[q * ROWS + 8u + i] += right[q] * below;
        acc[q * ROWS + 12u + i] += right[q] * across;
#endif
      }
    }
  }
#else
  // One k at a time is as fast on lavapipe, and compiles sooner.
  for (var k = 0u; k < p.k; k++) {
    let right = vec4f(b[colAt[0] + k * p.bRow]);
    let own = vec4f(a[rowAt + k * p.aRow]);
#unroll
    for (var q = 0u; q < QUADS; q++) {
      let left = subgroupBroadcast(own, q);
      acc[q * 4u] += left.x * right;
      acc[q * 4u + 1u] += left.y * right;
      acc[q * 4u + 2u] += left.z * right;
      acc[q * 4u + 3u] += left.w * right;
    }
  }
#endif
#else
  for (var k = 0u; k < p.k / 4u; k++) {
    var right: array<mat4x4f, PARTS>;
#unroll
    for (var q = 0u; q < PARTS; q++) {
#if FORM == 0
      let at = colAt[q] + 4u * k * p.bRow;
      right[q] = mat4x4f(vec4f(b[at]), vec4f(b[at + p.bRow]), vec4f(b[at + 2u * p.bRow]), vec4f(b[at + 3u * p.bRow]));
#else
      let at = colAt[q] + k;
      right[q] = transpose(mat4x4f(vec4f(b[at.x]), vec4f(b[at.y]), vec4f(b[at.z]), vec4f(b[at.w])));
#endif
    }
#unroll
    for (var i = 0u; i < SHARE; i++) {
      let own = vec4f(a[rowAt[i] + k]);
#if LANES == 4
      let beside = quadSwapX(own);
      let below = quadSwapY(own);
      let across = quadSwapDiagonal(own);
#unroll
      for (var q = 0u; q < PARTS; q++) {
        acc[q * ROWS + i * 4u] += right[q] * own;
        acc[q * ROWS + i * 4u + 1u] += right[q] * beside;
        acc[q * ROWS + i * 4u + 2u] += right[q] * below;
        acc[q * ROWS + i * 4u + 3u] += right[q] * across;
      }
#else
#unroll
      for (var l = 0u; l < LANES; l++) {
        acc[i * LANES + l] += right[0] * subgroupBroadcast(own, l);
      }
#endif
    }
  }
#endif
  if (mine >= p.tiles) { return; }
  // The sums stay in registers as long as every index is a constant: the loop that stores them reads a copy. (A driver
  // unrolls a loop whose count it knows: this one's is not to be known.)
  var sums: array<vec4f, ROWS * PARTS>;
#unroll
  for (var q = 0u; q < PARTS; q++) {
#unroll
    for (var r = 0u; r < ROWS; r++) {
      sums[q * ROWS + r] = acc[q * ROWS + r];
    }
  }
  // The sum of a row is where the swaps left it.
#if LANES == 4
#if FORM == 2
  let turn = 4u * (lane % QUADS);
#else
  let turn = lane;
#endif
#else
  let turn = 0u;
#endif
  let end = min(m0 + ROWS, p.m);
  for (var row = m0; row < end; row++) {
    for (var q = 0u; q < PARTS; q++) {
      let sum = sums[q * ROWS + ((row - m0) ^ turn)];
      let n = n0 + q * 16u;
#if WIDE
      if (n < p.n) { store(cBase + row * p.cRow + n / 4u, (b0 * p.n + n) / 4u, sum); }
#else
      for (var col = n; col < min(n + 4u, p.n); col++) {
        store(cBase + row * p.cRow + col * p.cCol, b0 * p.n + col, sum[col - n]);
      }
#endif
    }
  }
}
