// CondLoRA's shared conversion layer, both directions and both forms, over a stack of frozen weights W [layers, out, in].
// Each dispatch does two jobs over the same W, each of one of two kinds:
//
//   ROWS    (contracts in):   O[l, o, j] = Σ_i W[l, o, i] · T[l, j, i]
//   COLUMNS (contracts out):  O[l, j, i] = Σ_o T[l, j, o] · W[l, o, i]
//
//                     job 0 (A)                                job 1 (B)
//   forward  code     A = Θa·Wᵀ          ROWS,    T = Θa       B = W·Θbᵀ            ROWS,    T = Θb
//   forward  rect.    A = Θa·W           COLUMNS, T = Θa       B = W·Θbᵀ            ROWS,    T = Θb
//   backward code     dΘa_l = dA_l·W_l   COLUMNS, T = dA       dΘb_l = dB_lᵀ·W_l    COLUMNS, T = dB
//   backward rect.    dΘa_l = dA_l·W_lᵀ  ROWS,    T = dA       dΘb_l = dB_lᵀ·W_l    COLUMNS, T = dB
//
// dΘ = Σ_l dΘ_l is summed in the order of l by a second dispatch (reduce.wgsl's column sums).
// T and O are reached by strides (tL: 0 for Θ, which all layers share), so that A and B lie as LoRA wants them.
//
// binding 0  uniform Params
// binding 1  O0   binding 2  O1    f32, written
// binding 3  W    f32 [layers, out, in], a layer every wL elements
// binding 4  T0   binding 5  T1    f32
//
// A thread owns 8 values of j. ROWS: LANES threads share a row o, each takes every LANES-th i.
// COLUMNS: a thread owns a column i, so that neighbours read neighbouring elements of W.
//   groups: [job 0: layers × chunks of 8 j × tiles of o or i][job 1: the same]
const LANES = 1u;
const GROUP = 64u;
const COLUMNS0 = false;
const COLUMNS1 = false;
const ACCUMULATE = false; // COLUMNS adds to O: W's rows came in several parts

struct Params {
  base: u32, total: u32, rows: u32, columns: u32, layers: u32, r: u32, wOff: u32, wL: u32,
  groups0: u32, oOff0: u32, oL0: u32, oN0: u32, oJ0: u32, tOff0: u32, tL0: u32, tJ0: u32, tK0: u32,
  groups1: u32, oOff1: u32, oL1: u32, oN1: u32, oJ1: u32, tOff1: u32, tL1: u32, tJ1: u32, tK1: u32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> o0: array<f32>;
@group(0) @binding(2) var<storage, read_write> o1: array<f32>;
@group(0) @binding(3) var<storage, read> w: array<f32>;
@group(0) @binding(4) var<storage, read> t0: array<f32>;
@group(0) @binding(5) var<storage, read> t1: array<f32>;

fn readT(second: bool, at: u32) -> f32 {
  if (second) { return t1[at]; }
  return t0[at];
}

fn writeO(second: bool, at: u32, value: f32) {
  if (second) {
    o1[at] = value;
  } else {
    o0[at] = value;
  }
}

#if LANES > 1
var<workgroup> partial: array<f32, 512>; // GROUP × 8
#endif

@compute @workgroup_size(GROUP)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) thread: u32) {
  let g = p.base + group.x + groups.x * (group.y + groups.y * group.z);
  if (g >= p.total) { return; }
  let second = g >= p.groups0;
  let inJob = select(g, g - p.groups0, second);
  let jobGroups = select(p.groups0, p.groups1, second);
  let columns = select(COLUMNS0, COLUMNS1, second);
  let chunks = (p.r + 7u) / 8u;
  let perLayer = jobGroups / p.layers;
  let layer = inJob / perLayer;
  let tiles = perLayer / chunks;
  let j0 = ((inJob % perLayer) / tiles) * 8u;
  let tile = (inJob % perLayer) % tiles;

  let wAt = p.wOff + layer * p.wL;
  let oAt = select(p.oOff0 + layer * p.oL0, p.oOff1 + layer * p.oL1, second);
  let oN = select(p.oN0, p.oN1, second);
  let oJ = select(p.oJ0, p.oJ1, second);
  let tAt = select(p.tOff0 + layer * p.tL0, p.tOff1 + layer * p.tL1, second);
  let tJ = select(p.tJ0, p.tJ1, second);
  let tK = select(p.tK0, p.tK1, second);
  var acc: array<f32, 8>;

  // n: the row o (ROWS) or column i (COLUMNS) of this thread. k runs over the contracted index.
  let lanes = select(LANES, 1u, columns);
  let lane = thread % lanes;
  let n = tile * (GROUP / lanes) + thread / lanes;
  let count = select(p.columns, p.rows, columns);
  let limit = select(p.rows, p.columns, columns);
  let wN = select(p.columns, 1u, columns);
  let wK = select(1u, p.columns, columns);
  if (n < limit) {
    for (var k = lane; k < count; k += lanes) {
      let value = w[wAt + n * wN + k * wK];
#unroll
      for (var j = 0u; j < 8; j++) {
        acc[j] += value * readT(second, tAt + min(j0 + j, p.r - 1u) * tJ + k * tK);
      }
    }
  }
#if LANES > 1
#unroll
  for (var j = 0u; j < 8; j++) {
    partial[thread * 8u + j] = acc[j];
  }
  workgroupBarrier();
  if (lane == 0u) {
    for (var other = 1u; other < lanes; other++) {
#unroll
      for (var j = 0u; j < 8; j++) {
        acc[j] += partial[(thread + other) * 8u + j];
      }
    }
  }
#endif
  if (n < limit && lane == 0u) {
#unroll
    for (var j = 0u; j < 8; j++) {
      if (j0 + j < p.r) {
        let at = oAt + n * oN + (j0 + j) * oJ;
        var value = acc[j];
#if ACCUMULATE
        if (columns) {
          if (second) {
            value += o1[at];
          } else {
            value += o0[at];
          }
        }
#endif
        writeO(second, at, value);
      }
    }
  }
}
