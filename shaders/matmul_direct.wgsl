// C[b, m, n] = alpha · Σ_k A[b, m, k] · B[b, k, n]  (+ bias[b0, n])  (+ C[b, m, n])
// Register tiles read straight from storage as vec4, no workgroup memory: the fastest form on software adapters.
//
// FORM 0: A·B    A rows along k, B rows along n.   A thread: ROWS rows × 4 columns, four k at a time.
// FORM 1: A·Bᵀ   both along k.                     A thread: ROWS rows × COLS columns, dot products of vec4.
// FORM 2: Aᵀ·B   A rows along m, B rows along n.   A thread: ROWS rows (vec4s of m) × 4·(COLS/4) columns.
// All offsets and strides are in vec4 units, except C's, which are in floats. What vec4s run along is a multiple of 4.
// A batch is two-level, b = b0·batch1 + b1, so that attention heads are strides and never copies.
//
// binding 0  uniform Params
// binding 1  C     TC
// binding 2  A     vec4<TA>
// binding 3  B     vec4<TB>
// binding 4  bias  f32[batch0, n]; anything without BIAS
//
//            n →   COLS                 tile t of a batch: rows (t / tilesN)·ROWS …, columns (t % tilesN)·COLS …
//          ┌─────┬─────┐
//     m    │ t   │ t+1 │ ROWS           group g: tiles GROUP·g … GROUP·g + GROUP − 1, one a thread
//     ↓    └─────┴─────┘
alias TA = f32; // each of the three f32 or f16; sums are f32
alias TB = f32;
alias TC = f32;
const FORM = 0u;
const ROWS = 4u;
const COLS = 4u;
const QUADS = 1u; // COLS / 4
const HALF = 1u; // ROWS / 4
const GROUP = 8u;
const BIAS = 1u; // bits of epilogue
const ACCUMULATE = 2u;

struct Params {
  base: u32, total: u32, m: u32, n: u32, k: u32,
  aOff: u32, aRow: u32, aB0: u32, aB1: u32,
  bOff: u32, bRow: u32, bB0: u32, bB1: u32,
  cOff: u32, cRow: u32, cB0: u32, cB1: u32,
  batch1: u32, alpha: f32, biasOff: u32, epilogue: u32, tiles: u32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> c: array<TC>;
@group(0) @binding(2) var<storage, read> a: array<vec4<TA>>;
@group(0) @binding(3) var<storage, read> b: array<vec4<TB>>;
@group(0) @binding(4) var<storage, read> bias: array<f32>;

fn store(cBase: u32, biasBase: u32, row: u32, col: u32, sum: f32) {
  if (row >= p.m || col >= p.n) { return; }
  let at = cBase + row * p.cRow + col;
  var value = p.alpha * sum;
  if ((p.epilogue & BIAS) != 0u) { value += bias[biasBase + col]; }
  if ((p.epilogue & ACCUMULATE) != 0u) { value += f32(c[at]); }
  c[at] = TC(value);
}

@compute @workgroup_size(GROUP)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) thread: u32) {
  let g = p.base + group.x + groups.x * (group.y + groups.y * group.z);
  let t = g * GROUP + thread;
  if (g >= p.total || t >= p.tiles) { return; }
  let tilesN = (p.n + COLS - 1) / COLS;
  let tilesM = (p.m + ROWS - 1) / ROWS;
  let batch = t / (tilesN * tilesM);
  let tile = t - batch * tilesN * tilesM;
  let m0 = (tile / tilesN) * ROWS;
  let n0 = (tile % tilesN) * COLS;
  let b0 = batch / p.batch1;
  let b1 = batch % p.batch1;
  let aBase = p.aOff + b0 * p.aB0 + b1 * p.aB1;
  let bBase = p.bOff + b0 * p.bB0 + b1 * p.bB1;
  let cBase = p.cOff + b0 * p.cB0 + b1 * p.cB1;

  // Sums stay in registers as long as every index is a constant: the loop that stores them reads a copy.
  var sums: array<vec4f, ROWS * QUADS>;

#if FORM == 0
  // Rows past the end repeat the last one: their sums are never stored.
  var rowAt: array<u32, ROWS>;
  var acc: array<vec4f, ROWS>;
#unroll
  for (var r = 0u; r < ROWS; r++) {
    rowAt[r] = aBase + min(m0 + r, p.m - 1u) * p.aRow;
  }
  var bAt = bBase + n0 / 4u;
  for (var k = 0u; k < p.k / 4u; k++) {
    let r0 = vec4f(b[bAt]);
    let r1 = vec4f(b[bAt + p.bRow]);
    let r2 = vec4f(b[bAt + 2u * p.bRow]);
    let r3 = vec4f(b[bAt + 3u * p.bRow]);
    bAt += 4u * p.bRow;
#unroll
    for (var r = 0u; r < ROWS; r++) {
      let left = vec4f(a[rowAt[r] + k]);
      acc[r] += left.x * r0 + left.y * r1 + left.z * r2 + left.w * r3;
    }
  }
#unroll
  for (var r = 0u; r < ROWS; r++) {
    sums[r] = acc[r];
  }
#endif
#if FORM == 1
  var rowAt: array<u32, ROWS>;
  var colAt: array<u32, COLS>;
  var acc: array<array<f32, COLS>, ROWS>;
#unroll
  for (var r = 0u; r < ROWS; r++) {
    rowAt[r] = aBase + min(m0 + r, p.m - 1u) * p.aRow;
  }
#unroll
  for (var j = 0u; j < COLS; j++) {
    colAt[j] = bBase + min(n0 + j, p.n - 1u) * p.bRow;
  }
  for (var k = 0u; k < p.k / 4u; k++) {
    var right: array<vec4f, COLS>;
#unroll
    for (var j = 0u; j < COLS; j++) {
      right[j] = vec4f(b[colAt[j] + k]);
    }
#unroll
    for (var r = 0u; r < ROWS; r++) {
      let left = vec4f(a[rowAt[r] + k]);
#unroll
      for (var j = 0u; j < COLS; j++) {
        acc[r][j] += dot(left, right[j]);
      }
    }
  }
#unroll
  for (var r = 0u; r < ROWS; r++) {
#unroll
    for (var j = 0u; j < COLS; j++) {
      sums[r * QUADS + j / 4u][j % 4u] = acc[r][j];
    }
  }
#endif
#if FORM == 2
  var acc: array<array<vec4f, QUADS>, ROWS>;
  let lastM = (p.m - 1u) / 4u;
  let lastN = (p.n - 1u) / 4u;
  for (var k = 0u; k < p.k; k++) {
    var right: array<vec4f, QUADS>;
#unroll
    for (var j = 0u; j < QUADS; j++) {
      right[j] = vec4f(b[bBase + k * p.bRow + min(n0 / 4u + j, lastN)]);
    }
#unroll
    for (var h = 0u; h < HALF; h++) {
      let left = vec4f(a[aBase + k * p.aRow + min(m0 / 4u + h, lastM)]);
#unroll
      for (var i = 0u; i < 4; i++) {
#unroll
        for (var j = 0u; j < QUADS; j++) {
          acc[4u * h + i][j] += left[i] * right[j];
        }
      }
    }
  }
#unroll
  for (var r = 0u; r < ROWS; r++) {
#unroll
    for (var j = 0u; j < QUADS; j++) {
      sums[r * QUADS + j] = acc[r][j];
    }
  }
#endif
  for (var r = 0u; r < ROWS; r++) {
    for (var j = 0u; j < COLS; j++) { store(cBase, p.biasOff + b0 * p.n, m0 + r, n0 + j, sums[r * QUADS + j / 4u][j % 4u]); }
  }
}
