// C[b, m, n] = alpha · Σ_k A[b, m, k] · B[b, k, n]  (+ bias[b0, n])  (+ C[b, m, n])
// Large tiles in workgroup memory, filled by vec4 loads, 64 sums a thread: for GPUs, where C has tiles enough for one.
//
// A and B may each run along k or along their other index (ALONG_M, ALONG_N). Offsets and strides of A and B are in vec4
// units, those of C in floats. What vec4s run along is a multiple of 4.
// A batch is two-level, b = b0·batch1 + b1, so that attention heads are strides and never copies.
//
// binding 0  uniform Params
// binding 1  C     TC
// binding 2  A     vec4<TA>
// binding 3  B     vec4<TB>
// binding 4  bias  f32[batch0, n]; anything without BIAS
// binding 5  z     TZ[m, n] dense (GELU): gelu of C is written to it; with SLOPE C is multiplied by gelu'(z)
//
// A group of SIDE × SIDE threads makes a TILE × TILE piece of C, TILE = 8 · SIDE; K passes by in steps of 8, of which each
// thread brings LOADS vec4s of A and of B.
//
//              n →                    tileB [STEP][TILE], between rows a vec4 (PAD)
//            ┌───────┬───────┐
//     m  A   │ 4×4   │ 4×4   │        thread (x, y) owns rows 4y…4y+3 and columns 4x…4x+3 of each quarter:
//     ↓ tileA├───────┼───────┤ HALF   64 sums
//            │ 4×4   │ 4×4   │
//            └───────┴───────┘
//
// HALVES 2: both tiles twice, in turns, and what is read waits in registers. A thread asks for the next step's vec4s before it
// multiplies this step's, and one barrier a step is enough (HALVES 1: two, and nothing is read meanwhile).
//
//     step 0:  put 0 in half 0 │ ask for 1, multiply half 0
//     step 1:  put 1 in half 1 │ ask for 2, multiply half 1      │ barrier: the step is put, and no thread
//     step 2:  put 2 in half 0 │ ask for 3, multiply half 0        multiplies the other half any more
alias TA = f32; // each of the three f32 or f16; sums are f32
alias TB = f32;
alias TC = f32;
alias TZ = f32;
const GELU = false; // gelu(x) = x · Φ(x), or its tanh form: as in activation.wgsl
const K = 0u; // where not 0, k and n are known when this is compiled: a loop that is seen to end, edges that need no test
const N = 0u;
const SIDE = 8u;
const THREADS = 64u; // SIDE · SIDE
const LOADS = 2u; // 16 / SIDE
const HALF = 4u * SIDE;
const TILE = 8u * SIDE;
const STEP = 8u;
const HALVES = 1u; // of the tiles
const PAD = 2u - HALVES; // keeps threads off each other's banks; two halves of 128 × 128 fill the 16 KiB that every device has
const ROW = TILE + 2u * PAD; // of tileA
const QUADS = TILE / 4u;
const ROW_B = QUADS + PAD;
const BIAS = 1u; // bits of epilogue
const ACCUMULATE = 2u;
const TANH = 4u;
const SLOPE = 8u;
const ALONG_M = 1u; // bits of along
const ALONG_N = 2u;

struct Params {
  base: u32, total: u32, m: u32, n: u32, k: u32,
  aOff: u32, aRow: u32, aB0: u32, aB1: u32,
  bOff: u32, bRow: u32, bB0: u32, bB1: u32,
  cOff: u32, cRow: u32, cB0: u32, cB1: u32,
  batch1: u32, alpha: f32, biasOff: u32, epilogue: u32, along: u32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> c: array<TC>;
@group(0) @binding(2) var<storage, read> a: array<vec4<TA>>;
@group(0) @binding(3) var<storage, read> b: array<vec4<TB>>;
@group(0) @binding(4) var<storage, read> bias: array<f32>;

#if GELU
@group(0) @binding(5) var<storage, read_write> z: array<TZ>;
#endif

var<workgroup> tileA: array<f32, HALVES * STEP * ROW>;
var<workgroup> tileB: array<vec4f, HALVES * STEP * ROW_B>;

fn k() -> u32 {
#if K > 0
  return K;
#else
  return p.k;
#endif
}

fn n() -> u32 {
#if N > 0
  return N;
#else
  return p.n;
#endif
}

// Where the i-th vec4 of a tile begins: (place along m or n, place along k).
fn place(i: u32, alongK: bool) -> vec2u {
  return select(vec2u(i % QUADS * 4u, i / QUADS), vec2u(i / 2u, i % 2u * 4u), alongK);
}

// A thread's vec4s of the tile at `start`, (m or n, k).
fn loadA(base: u32, start: vec2u, thread: u32, alongK: bool) -> array<vec4f, LOADS> {
  var held: array<vec4f, LOADS>;
#unroll
  for (var load = 0u; load < LOADS; load++) {
    let at = start + place(load * THREADS + thread, alongK);
    if (at.x < p.m && at.y < k()) {
      held[load] = vec4f(a[base + select(at.y * p.aRow + at.x / 4u, at.x * p.aRow + at.y / 4u, alongK)]);
    }
  }
  return held;
}

fn loadB(base: u32, start: vec2u, thread: u32, alongK: bool) -> array<vec4f, LOADS> {
  var held: array<vec4f, LOADS>;
#unroll
  for (var load = 0u; load < LOADS; load++) {
    let at = start + place(load * THREADS + thread, alongK);
    if (at.x < n() && at.y < k()) {
      held[load] = vec4f(b[base + select(at.y * p.bRow + at.x / 4u, at.x * p.bRow + at.y / 4u, alongK)]);
    }
  }
  return held;
}

#if GELU
// As in activation.wgsl. |v|, up to 10: beyond, nothing is left to add. (No min, which would make a number of what is none.)
fn near(v: f32) -> f32 {
  return select(abs(v), 10.0, abs(v) > 10.0);
}

// exp(−a²/2)
fn bell(a: f32) -> f32 {
  return exp2(-0.7213475204444817 * a * a);
}

// Φ(−a)·exp(a²/2), 0 ≤ a ≤ 10, without cancellation: the rational function of least relative error, 2e-7.
fn mills(a: f32) -> f32 {
  return (12.6453476 + a * (8.91008472 + a * (2.88469267 + a * 0.398853779)))
    / (25.2907009 + a * (37.9989471 + a * (23.4451809 + a * (7.22325706 + a))));
}

// √(2/π)·(v + 0.044715·v³)
fn inner(v: f32) -> f32 {
  let x = clamp(v, -1e4, 1e4);
  return 0.7978845608028654 * (x + 0.044715 * x * x * x);
}

fn onePlusTanh(u: f32) -> f32 {
  return 2.0 / (1.0 + exp(-2.0 * clamp(u, -40.0, 40.0)));
}

fn gelu(v: f32) -> f32 {
  if ((p.epilogue & TANH) != 0u) { return 0.5 * select(v, -100.0, v < -100.0) * onePlusTanh(inner(v)); }
  let a = near(v);
  return select(v, 0.0, v < 0.0) - a * bell(a) * mills(a);
}

fn slope(v: f32) -> f32 {
  if ((p.epilogue & TANH) == 0u) {
    let a = near(v);
    let left = bell(a) * (mills(a) - 0.3989422804014327 * a);
    return select(left, 1.0 - left, v > 0.0);
  }
  let u = inner(v);
  let x = clamp(v, -100.0, 100.0);
  let t = exp(-2.0 * min(abs(u), 40.0));
  let sech2 = 4.0 * t / ((1.0 + t) * (1.0 + t));
  return 0.5 * onePlusTanh(u) + 0.5 * x * sech2 * 0.7978845608028654 * (1.0 + 0.134145 * x * x);
}
#endif

fn store(at: u32, biasAt: u32, sum: f32) {
  var value = p.alpha * sum;
  if ((p.epilogue & BIAS) != 0u) { value += bias[biasAt]; }
  if ((p.epilogue & ACCUMULATE) != 0u) { value += f32(c[at]); }
#if GELU
  let i = at - p.cOff;
  if ((p.epilogue & SLOPE) != 0u) {
    value *= slope(f32(z[i]));
  } else {
    z[i] = TZ(gelu(value));
  }
#endif
  c[at] = TC(value);
}

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) thread: u32) {
  let g = p.base + group.x + groups.x * (group.y + groups.y * group.z);
  if (g >= p.total) { return; }
  let tilesN = (n() + TILE - 1u) / TILE;
  let tilesM = (p.m + TILE - 1u) / TILE;
  let batch = g / (tilesN * tilesM);
  let tile = g - batch * tilesN * tilesM;
  let m0 = (tile / tilesN) * TILE;
  let n0 = (tile % tilesN) * TILE;
  let b0 = batch / p.batch1;
  let b1 = batch % p.batch1;
  let aBase = p.aOff + b0 * p.aB0 + b1 * p.aB1;
  let bBase = p.bOff + b0 * p.bB0 + b1 * p.bB1;
  let cBase = p.cOff + b0 * p.cB0 + b1 * p.cB1;
  let biasBase = p.biasOff + b0 * n();
  let aAlongK = (p.along & ALONG_M) == 0u;
  let bAlongK = (p.along & ALONG_N) == 0u;
  let x = thread % SIDE;
  let y = thread / SIDE;
  var acc: array<array<vec4f, 2>, 8>;
#if HALVES > 1
  var heldA = loadA(aBase, vec2u(m0, 0u), thread, aAlongK);
  var heldB = loadB(bBase, vec2u(n0, 0u), thread, bAlongK);
#endif

#if K > 0
  for (var step = 0u; step < (K + STEP - 1u) / STEP; step++) {
#else
  for (var step = 0u; step < (p.k + STEP - 1u) / STEP; step++) {
#endif
    let row0 = step % HALVES * STEP;
#if HALVES == 1
    let heldA = loadA(aBase, vec2u(m0, step * STEP), thread, aAlongK);
    let heldB = loadB(bBase, vec2u(n0, step * STEP), thread, bAlongK);
#endif
#unroll
    for (var load = 0u; load < LOADS; load++) {
      let fromA = place(load * THREADS + thread, aAlongK);
      let toA = (row0 + fromA.y) * ROW + fromA.x;
      let towardsA = select(1u, ROW, aAlongK);
#unroll
      for (var i = 0u; i < 4; i++) {
        tileA[toA + i * towardsA] = heldA[load][i];
      }
      let fromB = place(load * THREADS + thread, bAlongK);
      let toB = (row0 + fromB.y) * ROW_B + fromB.x / 4u;
      if (bAlongK) {
#unroll
        for (var i = 0u; i < 4; i++) {
          tileB[toB + i * ROW_B][fromB.x % 4u] = heldB[load][i];
        }
      } else {
        tileB[toB] = heldB[load];
      }
    }
    workgroupBarrier();
#if HALVES > 1
    // Past k: zeros, and nothing is read.
    heldA = loadA(aBase, vec2u(m0, (step + 1u) * STEP), thread, aAlongK);
    heldB = loadB(bBase, vec2u(n0, (step + 1u) * STEP), thread, bAlongK);
#endif
    for (var kk = 0u; kk < STEP; kk++) {
      let row = row0 + kk;
      let right0 = tileB[row * ROW_B + x];
      let right1 = tileB[row * ROW_B + SIDE + x];
#unroll
      for (var i = 0u; i < 8; i++) {
        let left = vec4f(tileA[row * ROW + (i / 4u) * HALF + y * 4u + i % 4u]);
        acc[i][0] = fma(left, right0, acc[i][0]);
        acc[i][1] = fma(left, right1, acc[i][1]);
      }
    }
#if HALVES == 1
    workgroupBarrier();
#endif
  }

  // The sums stay in registers as long as every index is a constant: the loop that stores them reads a copy. (A driver
  // unrolls a loop whose count it knows: this one's is not to be known.)
  var sums: array<array<vec4f, 2>, 8>;
#unroll
  for (var i = 0u; i < 8; i++) {
    sums[i][0] = acc[i][0];
    sums[i][1] = acc[i][1];
  }
  let rows = min(p.m - m0, TILE);
  let columns = min(n() - n0, TILE);
  for (var v = 0u; v * HALF < rows; v++) {
    for (var h = 0u; h * HALF < columns; h++) {
      let row = v * HALF + y * 4u;
      let column = h * HALF + x * 4u;
      for (var i = row; i < min(row + 4u, rows); i++) {
        for (var j = column; j < min(column + 4u, columns); j++) {
          store(cBase + (m0 + i) * p.cRow + n0 + j, biasBase + n0 + j, sums[v * 4u + i - row][h][j - column]);
        }
      }
    }
  }
}
