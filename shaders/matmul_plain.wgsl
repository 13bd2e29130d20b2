// C[b, m, n] = alpha · Σ_k A[b, m, k] · B[b, k, n]  (+ bias[b0, n])  (+ C[b, m, n])
// Any shape, any strides, number by number and without barriers: what software adapters take where nothing is a
// multiple of 4. (There the tiled form's barriers cost more than the loads that they save, to compile too.)
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
// A thread owns a tile of 4 × 4 outputs; tile t of a batch: rows (t / tilesN)·4 …, columns (t % tilesN)·4 …
// group g: tiles GROUP·g … GROUP·g + GROUP − 1.
alias TA = f32; // each of the three f32 or f16; sums are f32
alias TB = f32;
alias TC = f32;
const GROUP = 8u;
const BIAS = 1u; // bits of epilogue
const ACCUMULATE = 2u;

struct Params {
  base: u32, total: u32, m: u32, n: u32, k: u32,
  aOff: u32, aRow: u32, aCol: u32, aB0: u32, aB1: u32,
  bOff: u32, bRow: u32, bCol: u32, bB0: u32, bB1: u32,
  cOff: u32, cRow: u32, cB0: u32, cB1: u32,
  batch1: u32, alpha: f32, biasOff: u32, epilogue: u32, tiles: u32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> c: array<TC>;
@group(0) @binding(2) var<storage, read> a: array<TA>;
@group(0) @binding(3) var<storage, read> b: array<TB>;
@group(0) @binding(4) var<storage, read> bias: array<f32>;

@compute @workgroup_size(GROUP)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) thread: u32) {
  let g = p.base + group.x + groups.x * (group.y + groups.y * group.z);
  let t = g * GROUP + thread;
  if (g >= p.total || t >= p.tiles) { return; }
  let tilesN = (p.n + 3u) / 4u;
  let tilesM = (p.m + 3u) / 4u;
  let batch = t / (tilesN * tilesM);
  let tile = t - batch * tilesN * tilesM;
  let m0 = (tile / tilesN) * 4u;
  let n0 = (tile % tilesN) * 4u;
  let b0 = batch / p.batch1;
  let b1 = batch % p.batch1;
  let aBase = p.aOff + b0 * p.aB0 + b1 * p.aB1;
  let bBase = p.bOff + b0 * p.bB0 + b1 * p.bB1;
  // Rows and columns past the end repeat the last one: their sums are never stored.
  let rows = aBase + min(m0 + vec4u(0, 1, 2, 3), vec4u(p.m - 1u)) * p.aRow;
  let columns = bBase + min(n0 + vec4u(0, 1, 2, 3), vec4u(p.n - 1u)) * p.bCol;
  var acc: array<vec4f, 4>;
  for (var k = 0u; k < p.k; k++) {
    let i = columns + k * p.bRow;
    let right = vec4f(vec4<TB>(b[i.x], b[i.y], b[i.z], b[i.w]));
#unroll
    for (var r = 0u; r < 4; r++) {
      acc[r] += f32(a[rows[r] + k * p.aCol]) * right;
    }
  }
  // The sums stay in registers as long as every index is a constant: the loop that stores them reads a copy.
  var sums: array<vec4f, 4>;
#unroll
  for (var r = 0u; r < 4; r++) {
    sums[r] = acc[r];
  }
  for (var i = 0u; i < 16u; i++) {
    let row = m0 + i / 4u;
    let col = n0 + i % 4u;
    if (row < p.m && col < p.n) {
      let at = p.cOff + b0 * p.cB0 + b1 * p.cB1 + row * p.cRow + col;
      var value = p.alpha * sums[i / 4u][i % 4u];
      if ((p.epilogue & BIAS) != 0u) { value += bias[p.biasOff + b0 * p.n + col]; }
      if ((p.epilogue & ACCUMULATE) != 0u) { value += f32(c[at]); }
      c[at] = TC(value);
    }
  }
}
