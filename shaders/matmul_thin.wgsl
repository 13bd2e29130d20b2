// C[b, m, n] = alpha · Σ_k A[b, m, k] · B[b, k, n]  (+ C[b, m, n]), k = 4 · QUADS at most 16: what an adapter adds.
// With so short a k a product is its stores: each lane keeps its 4 columns of B in registers and walks down the rows,
// so that a sum is stored where it was made. LANES neighbours are a subgroup (software adapters): each loads another row
// of A, the others get it by broadcast.
//
// FORM 0: A·B    A rows along k, B rows along n:  dh·A
// FORM 1: A·Bᵀ   both along k:                    h·Bᵀ
// Offsets and strides are in vec4 units.
//
// binding 0  uniform Params
// binding 1  C  vec4<TC>
// binding 2  A  vec4<TA>
// binding 3  B  vec4<TB>
//
//           n →  4    4    4    4
//          ┌────┬────┬────┬────┐   tile t of a batch: rows (t / tilesN)·ROWS …, columns (t % tilesN)·4·LANES …
//     m    │l 0 │l 1 │l 2 │ …  │   LANES rows at a time, lane l the columns 4l … 4l + 3
//     ↓    ├────┼────┼────┼────┤   group g: tiles (GROUP / LANES)·g …, one a subgroup
//          │    │    │    │    │
enable subgroups;
alias TA = f32; // each of the three f32 or f16; sums are f32
alias TB = f32;
alias TC = f32;
const FORM = 1u;
const QUADS = 2u;
const LANES = 4u;
const GROUP = 16u;
const ROWS = 64u; // a multiple of LANES

struct Params {
  base: u32, total: u32, m: u32, n: u32, k: u32,
  aOff: u32, aRow: u32, aB0: u32, aB1: u32,
  bOff: u32, bRow: u32, bB0: u32, bB1: u32,
  cOff: u32, cRow: u32, cB0: u32, cB1: u32,
  batch1: u32, alpha: f32, accumulate: u32, tiles: u32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> c: array<vec4<TC>>;
@group(0) @binding(2) var<storage, read> a: array<vec4<TA>>;
@group(0) @binding(3) var<storage, read> b: array<vec4<TB>>;

fn four(at: u32) -> vec4f { return vec4f(b[at]); }

@compute @workgroup_size(GROUP)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) thread: u32) {
  let g = p.base + group.x + groups.x * (group.y + groups.y * group.z);
  if (g >= p.total) { return; }
  // Subgroups past the last tile repeat it: broadcasts are met by all lanes. They do not write.
  let mine = g * (GROUP / LANES) + thread / LANES;
  let t = min(mine, p.tiles - 1u);
  let lane = thread % LANES;
  let tilesN = (p.n / 4u + LANES - 1u) / LANES;
  let tilesM = (p.m + ROWS - 1u) / ROWS;
  let batch = t / (tilesN * tilesM);
  let tile = t - batch * tilesN * tilesM;
  let m0 = (tile / tilesN) * ROWS;
  let column = (tile % tilesN) * LANES + lane;
  let b0 = batch / p.batch1;
  let b1 = batch % p.batch1;
  let aBase = p.aOff + b0 * p.aB0 + b1 * p.aB1;
  let bBase = p.bOff + b0 * p.bB0 + b1 * p.bB1;
  // Columns past the end repeat the last ones: their sums are never stored.
  let inside = min(column, p.n / 4u - 1u);
  var at = p.cOff + b0 * p.cB0 + b1 * p.cB1 + m0 * p.cRow + column;
  var right: array<mat4x4f, QUADS>;
#unroll
  for (var q = 0u; q < QUADS; q++) {
#if FORM == 0
    let at = bBase + 4u * q * p.bRow + inside;
    right[q] = p.alpha * mat4x4f(four(at), four(at + p.bRow), four(at + 2u * p.bRow), four(at + 3u * p.bRow));
#else
    let at = bBase + 4u * inside * p.bRow + q;
    right[q] = p.alpha * transpose(mat4x4f(four(at), four(at + p.bRow), four(at + 2u * p.bRow), four(at + 3u * p.bRow)));
#endif
  }
  let writes = mine < p.tiles && column < p.n / 4u;
  let add = p.accumulate != 0u;
  // A count that all threads share, as broadcasts want it.
  for (var i = 0u; i < ROWS; i += LANES) {
    let row = m0 + i;
    let begin = aBase + min(row + lane, p.m - 1u) * p.aRow;
    var own: array<vec4f, QUADS>;
#unroll
    for (var q = 0u; q < QUADS; q++) {
      own[q] = vec4f(a[begin + q]);
    }
#unroll
    for (var l = 0u; l < LANES; l++) {
      var sum = vec4f();
#unroll
      for (var q = 0u; q < QUADS; q++) {
        sum += right[q] * subgroupBroadcast(own[q], l);
      }
      if (writes && row + l < p.m) {
        if (add) { sum += vec4f(c[at]); }
        c[at] = vec4<TC>(sum);
      }
      at += p.cRow;
    }
  }
}
