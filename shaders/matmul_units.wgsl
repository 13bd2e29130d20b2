// C[b, m, n] = alpha · Σ_k A[b, m, k] · B[b, k, n]  (+ bias[b0, n])  (+ C[b, m, n])
// By a GPU's matrix units: subgroup matrices of UNIT_M × UNIT_N sums, an experimental feature. Sums are f32.
//
// FORM 0: A·B   FORM 1: A·Bᵀ   FORM 2: Aᵀ·B
// Offsets and strides of A and B are in vec4 units, those of C in numbers. What vec4s run along is a multiple of 4.
// A batch is two-level, b = b0·batch1 + b1, so that attention heads are strides and never copies.
//
// binding 0  uniform Params
// binding 1  C     TC
// binding 2  A     vec4<TA>
// binding 3  B     vec4<TB>
// binding 4  bias  f32[batch0, n]; anything without BIAS
//
// A group makes a ROWS × COLUMNS piece of C; K passes by in steps of STEP, brought as they lie in memory into workgroup
// memory, zeros past the end. Each of UNITS subgroups owns a quarter, DOWN × ACROSS subgroup matrices:
//
//              n →               tileB
//            ┌───────┬───────┐
//     m  A   │  0    │  1    │   a quarter:  ┌──┬──┐ DOWN
//     ↓ tileA├───────┼───────┤               ├──┼──┤
//            │  2    │  3    │               └──┴──┘ ACROSS
//            └───────┴───────┘
//
// The sums leave through scratch memory, a subgroup matrix of each quarter at a time: nobody knows which thread holds what.
// Where a subgroup has fewer threads than it may have there are more of them: those past UNITS only help to bring and to store.
enable subgroups;
enable chromium_experimental_subgroup_matrix;
diagnostic(off, chromium.subgroup_matrix_uniformity); // what is uniform here is so by subgroup, which no analysis sees
const FORM = 1;
const UNIT_M = 16u;
const UNIT_N = 16u;
const UNIT_K = 16u;
const DOWN = 2u;
const ACROSS = 2u;
const STEP = 32u;
const PAD = 2u; // vec4s between a tile's rows, 16 bytes: neighbouring rows lie in other banks
const THREADS = 128u; // UNITS times the largest subgroup
alias TA = f16;
alias TB = f16;
alias TC = f16;
alias Unit = f16;
const UNITS = 4u;
const ROWS = 2u * DOWN * UNIT_M;
const COLUMNS = 2u * ACROSS * UNIT_N;
const CELLS = UNIT_M * UNIT_N;
const BIAS = 1u; // bits of epilogue
const ACCUMULATE = 2u;
// vec4s of a tile, in a row of it, and from row to row.
const LEFT = ROWS * STEP / 4u;
const RIGHT = COLUMNS * STEP / 4u;
#if FORM == 2
const LEFT_QUADS = ROWS / 4u;
#else
const LEFT_QUADS = STEP / 4u;
#endif
#if FORM == 1
const RIGHT_QUADS = STEP / 4u;
#else
const RIGHT_QUADS = COLUMNS / 4u;
#endif
const LEFT_ROW = LEFT_QUADS + PAD;
const RIGHT_ROW = RIGHT_QUADS + PAD;

alias Left = subgroup_matrix_left<Unit, UNIT_K, UNIT_M>;
alias Right = subgroup_matrix_right<Unit, UNIT_N, UNIT_K>;
alias Sums = subgroup_matrix_result<f32, UNIT_N, UNIT_M>;

struct Params {
  base: u32, total: u32, m: u32, n: u32, k: u32,
  aOff: u32, aRow: u32, aB0: u32, aB1: u32,
  bOff: u32, bRow: u32, bB0: u32, bB1: u32,
  cOff: u32, cRow: u32, cB0: u32, cB1: u32,
  batch1: u32, alpha: f32, biasOff: u32, epilogue: u32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> c: array<TC>;
@group(0) @binding(2) var<storage, read> a: array<vec4<TA>>;
@group(0) @binding(3) var<storage, read> b: array<vec4<TB>>;
@group(0) @binding(4) var<storage, read> bias: array<f32>;

var<workgroup> tileA: array<vec4<Unit>, LEFT / LEFT_QUADS * LEFT_ROW>;
var<workgroup> tileB: array<vec4<Unit>, RIGHT / RIGHT_QUADS * RIGHT_ROW>;
var<workgroup> scratch: array<f32, UNITS * CELLS>;

// At row and column (in vec4s) of what lies in memory.
fn loadA(base: u32, row: u32, quad: u32) -> vec4<Unit> {
#if FORM == 2
  let inside = row < p.k && quad * 4u < p.m;
#else
  let inside = row < p.m && quad * 4u < p.k;
#endif
  if (!inside) { return vec4<Unit>(); }
  return vec4<Unit>(a[base + row * p.aRow + quad]);
}

fn loadB(base: u32, row: u32, quad: u32) -> vec4<Unit> {
#if FORM == 1
  let inside = row < p.n && quad * 4u < p.k;
#else
  let inside = row < p.k && quad * 4u < p.n;
#endif
  if (!inside) { return vec4<Unit>(); }
  return vec4<Unit>(b[base + row * p.bRow + quad]);
}

// The subgroup matrices at row m, column n of the tiles, the q-th along k.
fn left(m: u32, q: u32) -> Left {
#if FORM == 2
  return subgroupMatrixLoad<Left, col_major>(&tileA, q * UNIT_K * LEFT_ROW + m / 4u, LEFT_ROW);
#else
  return subgroupMatrixLoad<Left, row_major>(&tileA, m * LEFT_ROW + q * UNIT_K / 4u, LEFT_ROW);
#endif
}

fn right(n: u32, q: u32) -> Right {
#if FORM == 1
  return subgroupMatrixLoad<Right, col_major>(&tileB, n * RIGHT_ROW + q * UNIT_K / 4u, RIGHT_ROW);
#else
  return subgroupMatrixLoad<Right, row_major>(&tileB, q * UNIT_K * RIGHT_ROW + n / 4u, RIGHT_ROW);
#endif
}

// What lies in scratch: the (i, j)-th subgroup matrix of each quarter of the piece at (m0, n0).
fn store(thread: u32, cBase: u32, biasBase: u32, m0: u32, n0: u32, i: u32, j: u32) {
  for (var at = thread; at < UNITS * CELLS; at += THREADS) {
    let unit = at / CELLS;
    let row = m0 + (unit / 2u * DOWN + i) * UNIT_M + at % CELLS / UNIT_N;
    let column = n0 + (unit % 2u * ACROSS + j) * UNIT_N + at % UNIT_N;
    if (row < p.m && column < p.n) {
      let place = cBase + row * p.cRow + column;
      var value = p.alpha * scratch[at];
      if ((p.epilogue & BIAS) != 0u) { value += bias[biasBase + column]; }
      if ((p.epilogue & ACCUMULATE) != 0u) { value += f32(c[place]); }
      c[place] = TC(value);
    }
  }
}

@compute @workgroup_size(THREADS)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) thread: u32,
  @builtin(subgroup_id) unit: u32,
) {
  let g = p.base + group.x + groups.x * (group.y + groups.y * group.z);
  if (g >= p.total) { return; }
  let tilesN = (p.n + COLUMNS - 1u) / COLUMNS;
  let tilesM = (p.m + ROWS - 1u) / ROWS;
  let batch = g / (tilesN * tilesM);
  let tile = g - batch * tilesN * tilesM;
  let m0 = (tile / tilesN) * ROWS;
  let n0 = (tile % tilesN) * COLUMNS;
  let b0 = batch / p.batch1;
  let b1 = batch % p.batch1;
  let aBase = p.aOff + b0 * p.aB0 + b1 * p.aB1;
  let bBase = p.bOff + b0 * p.bB0 + b1 * p.bB1;
  let cBase = p.cOff + b0 * p.cB0 + b1 * p.cB1;
  let biasBase = p.biasOff + b0 * p.n;
  var acc: array<Sums, DOWN * ACROSS>;

  for (var k0 = 0u; k0 < p.k; k0 += STEP) {
    for (var at = thread; at < LEFT; at += THREADS) {
      let row = at / LEFT_QUADS;
      let quad = at % LEFT_QUADS;
#if FORM == 2
      tileA[row * LEFT_ROW + quad] = loadA(aBase, k0 + row, m0 / 4u + quad);
#else
      tileA[row * LEFT_ROW + quad] = loadA(aBase, m0 + row, k0 / 4u + quad);
#endif
    }
    for (var at = thread; at < RIGHT; at += THREADS) {
      let row = at / RIGHT_QUADS;
      let quad = at % RIGHT_QUADS;
#if FORM == 1
      tileB[row * RIGHT_ROW + quad] = loadB(bBase, n0 + row, k0 / 4u + quad);
#else
      tileB[row * RIGHT_ROW + quad] = loadB(bBase, k0 + row, n0 / 4u + quad);
#endif
    }
    workgroupBarrier();
    if (unit < UNITS) {
      for (var q = 0u; q < STEP / UNIT_K; q++) {
        var across: array<Right, ACROSS>;
#unroll
        for (var j = 0u; j < ACROSS; j++) {
          across[j] = right((unit % 2u * ACROSS + j) * UNIT_N, q);
        }
#unroll
        for (var i = 0u; i < DOWN; i++) {
          let down = left((unit / 2u * DOWN + i) * UNIT_M, q);
#unroll
          for (var j = 0u; j < ACROSS; j++) {
            acc[i * ACROSS + j] = subgroupMatrixMultiplyAccumulate(down, across[j], acc[i * ACROSS + j]);
          }
        }
      }
    }
    workgroupBarrier();
  }

#unroll
  for (var i = 0u; i < DOWN; i++) {
#unroll
    for (var j = 0u; j < ACROSS; j++) {
      if (unit < UNITS) { subgroupMatrixStore<row_major>(&scratch, unit * CELLS, acc[i * ACROSS + j], UNIT_N); }
      workgroupBarrier();
      store(thread, cBase, biasBase, m0, n0, i, j);
      workgroupBarrier();
    }
  }
}
