// C[b, m, n] = alpha · Σ_k A[b, m, k] · B[b, k, n]  (+ bias[b0, n])  (+ C[b, m, n])
// Tiled in workgroup memory; any shape, any strides: the form for GPUs.
//
// A element (m, k) lies at aOff + b0·aB0 + b1·aB1 + m·aRow + k·aCol; B by (k, n) and C by (m, n) likewise.
// A batch is two-level, b = b0·batch1 + b1, so that attention heads are strides and never copies.
//
// binding 0  uniform Params
// binding 1  C     TC
// binding 2  A     TA
// binding 3  B     TB
// binding 4  bias  f32[batch0, n]; anything without BIAS
//
// A group makes a TILE_M × TILE_N piece of C with DOWN × ACROSS threads, each 4 × 4 outputs in registers; K passes by in
// steps of STEP:
//
//              n →                 tileB [STEP][TILE_N]
//            ┌────────┐
//     m  A   │ 4×4    │  thread (x, y) owns rows 4y…4y+3 and columns 4x…4x+3
//     ↓ tileA│        │
//            └────────┘
//
// 32 × 32; for C of few columns 128 × 8 or 64 × 16, of few rows 8 × 128 or 16 × 64.
alias TA = f32; // each of the three f32 or f16; sums are f32
alias TB = f32;
alias TC = f32;
const DOWN = 8u; // 2, 4, 8, 16 or 32
const ACROSS = 64u / DOWN;
const TILE_M = 4u * DOWN;
const TILE_N = 4u * ACROSS;
const STEP = 16u;
const BIAS = 1u; // bits of epilogue
const ACCUMULATE = 2u;

struct Params {
  base: u32, total: u32, m: u32, n: u32, k: u32,
  aOff: u32, aRow: u32, aCol: u32, aB0: u32, aB1: u32,
  bOff: u32, bRow: u32, bCol: u32, bB0: u32, bB1: u32,
  cOff: u32, cRow: u32, cB0: u32, cB1: u32,
  batch1: u32, alpha: f32, biasOff: u32, epilogue: u32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> c: array<TC>;
@group(0) @binding(2) var<storage, read> a: array<TA>;
@group(0) @binding(3) var<storage, read> b: array<TB>;
@group(0) @binding(4) var<storage, read> bias: array<f32>;

var<workgroup> tileA: array<f32, STEP * (TILE_M + 2u)>; // the padding keeps threads off each other's banks
var<workgroup> tileB: array<vec4f, STEP * ACROSS>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) thread: u32) {
  let g = p.base + group.x + groups.x * (group.y + groups.y * group.z);
  if (g >= p.total) { return; }
  let tilesN = (p.n + TILE_N - 1u) / TILE_N;
  let tilesM = (p.m + TILE_M - 1u) / TILE_M;
  let batch = g / (tilesN * tilesM);
  let tile = g - batch * tilesN * tilesM;
  let m0 = (tile / tilesN) * TILE_M;
  let n0 = (tile % tilesN) * TILE_N;
  let b0 = batch / p.batch1;
  let b1 = batch % p.batch1;
  let aBase = p.aOff + b0 * p.aB0 + b1 * p.aB1;
  let bBase = p.bOff + b0 * p.bB0 + b1 * p.bB1;
  let x = thread % ACROSS;
  let y = thread / ACROSS;
  var acc: array<vec4f, 4>;

  for (var k0 = 0u; k0 < p.k; k0 += STEP) {
    // Neighbouring threads read along whichever axis is contiguous.
    for (var i = thread; i < TILE_M * STEP; i += 64u) {
      let alongK = p.aCol == 1u;
      let mm = select(i % TILE_M, i / STEP, alongK);
      let kk = select(i / TILE_M, i % STEP, alongK);
      let inside = m0 + mm < p.m && k0 + kk < p.k;
      let at = aBase + (m0 + mm) * p.aRow + (k0 + kk) * p.aCol;
      tileA[kk * (TILE_M + 2u) + mm] = select(0.0, f32(a[select(aBase, at, inside)]), inside);
    }
    for (var i = thread; i < TILE_N * STEP; i += 64u) {
      let alongN = p.bCol == 1u;
      let nn = select(i / STEP, i % TILE_N, alongN);
      let kk = select(i % STEP, i / TILE_N, alongN);
      let inside = n0 + nn < p.n && k0 + kk < p.k;
      let at = bBase + (k0 + kk) * p.bRow + (n0 + nn) * p.bCol;
      tileB[kk * ACROSS + nn / 4u][nn % 4u] = select(0.0, f32(b[select(bBase, at, inside)]), inside);
    }
    workgroupBarrier();
    for (var kk = 0u; kk < STEP; kk++) {
      let right = tileB[kk * ACROSS + x];
      let left = kk * (TILE_M + 2u) + y * 4u;
#unroll
      for (var r = 0u; r < 4; r++) {
        acc[r] = fma(vec4f(tileA[left + r]), right, acc[r]);
      }
    }
    workgroupBarrier();
  }

  // The sums stay in registers as long as every index is a constant: the loop that stores them reads a copy. (A driver
  // unrolls a loop whose count it knows: this one's is not to be known.)
  var sums: array<vec4f, 4>;
#unroll
  for (var r = 0u; r < 4; r++) {
    sums[r] = acc[r];
  }
  let cBase = p.cOff + b0 * p.cB0 + b1 * p.cB1;
  let row0 = m0 + y * 4u;
  let col0 = n0 + x * 4u;
  for (var row = row0; row < min(row0 + 4u, p.m); row++) {
    for (var col = col0; col < min(col0 + 4u, p.n); col++) {
      let at = cBase + row * p.cRow + col;
      var value = p.alpha * sums[row - row0][col - col0];
      if ((p.epilogue & BIAS) != 0u) { value += bias[p.biasOff + b0 * p.n + col]; }
      if ((p.epilogue & ACCUMULATE) != 0u) { value += f32(c[at]); }
      c[at] = TC(value);
    }
  }
}
