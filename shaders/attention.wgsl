// Attention of each head without its matrix in memory: o = P'·V, P = softmax(q·kᵀ/√d), P' = P∘Z after dropout (Z = keep / (1 − p)).
// A group owns 32 rows; the other rows pass by, 32 at a time, and P is made again in each direction. Exponents are to base 2:
// s = q·k·log2(e)/√d, L = log2 Σ 2^s.
//
// FORM 0: own queries, keys pass:  softmax online;  o_i = Σ_j P'_ij v_j;  writes o and L_i.
// FORM 1: own queries, keys pass:  P from L, dP = Z∘(g·v), dS = P∘(dP − D);  dq_i = Σ_j dS_ij k_j / √d.
// FORM 2: own keys, queries pass:  the same dS;  dk_j = Σ_i dS_ij q_i / √d,  dv_j = Σ_i P'_ij g_i.
// FORM 3: D_i = g_i·o_i = Σ_j P_ij dP_ij, a thread a row.
// Masked keys have P = 0: a query without keys gets o = 0, and masked keys get zeros in dk and dv.
//
// binding 0  uniform Params; places and row strides in vec4s: q, k, v and their gradients may be parts of wider rows
// binding 1  out    o, dq, or dk and dv;  FORM 3: stats.  q, k, v and o are f32 or f16, all gradients f32
// binding 2  a      own rows: q, q, k;  FORM 3: g
// binding 3  b      own rows: –, g, v;  FORM 3: o
// binding 4  x      rows that pass: k, k, q
// binding 5  y      rows that pass: v, v, g
// binding 6  stats  f32[rows, 2]: L and D of each query of each head
// binding 7  mask   i32[batch, n], 1 = a key (only if masked)
// binding 8  bits   u32[batch·heads·n, words], bit j: P_ij is kept (only if words > 0)
//
//              4 that pass →             d →
//            ┌────┬────┬─ ─┬────┐      ┌────┬────┬─ ─┐   64 threads, 8 × 8. In turn: s (and dP) of 32 × 32 pairs, 4 × 4 a thread,
//   4 own ↓  │x 0 │x 1 │ … │x 7 │  ·   │x 0 │x 1 │ … │   a and x staged 8 vec4s at a time; the weights P' or dS into the group's
//            ├────┼────┼─ ─┼────┤      ├────┼────┼─ ─┤   memory; weights · rows that pass, 4 rows × QUADS vec4s a thread.
//            │    │    │   │    │      │    │    │   │   FORM 2 has two sorts of weights.
const FORM = 0u;
const QUADS = 1u; // ⌈d / 32⌉
const HALVES = 1u; // s; s and dP
const SUMS = 4u; // 4 · HALVES
const OWNED = 4u; // 4 · QUADS
alias Out = vec4f; // or vec4h, as those that follow: what is q, k, v or o
alias A = vec4f;
alias B = vec4f;
alias X = vec4f;
alias Y = vec4f;
const GROUP = 64u;
const NEVER = -1e30;

struct Params {
  base: u32, total: u32, count: u32, n: u32, heads: u32, d4: u32,
  aAt: u32, aRow: u32, bAt: u32, bRow: u32, xAt: u32, xRow: u32, yAt: u32, yRow: u32,
  outAt: u32, outRow: u32, secondAt: u32, maskAt: u32, masked: u32, words: u32,
  scaleA: f32, scaleB: f32, scaleOut: f32, scaleSecond: f32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> out: array<Out>;
@group(0) @binding(2) var<storage, read> a: array<A>;
@group(0) @binding(3) var<storage, read> b: array<B>;
#if FORM == 3
@compute @workgroup_size(GROUP)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) thread: u32) {
  let g = p.base + group.x + groups.x * (group.y + groups.y * group.z);
  let row = g * GROUP + thread;
  if (g >= p.total || row >= p.count) { return; }
  let head = row / p.n;
  let at = head / p.heads * p.n + row % p.n;
  let column = head % p.heads * p.d4;
  var sum = 0.0;
  for (var c = 0u; c < p.d4; c++) { sum += dot(vec4f(a[p.aAt + at * p.aRow + column + c]), vec4f(b[p.bAt + at * p.bRow + column + c])); }
  out[2u * row + 1u] = sum;
}
#else
@group(0) @binding(4) var<storage, read> x: array<X>;
@group(0) @binding(5) var<storage, read> y: array<Y>;
#if FORM == 0
@group(0) @binding(6) var<storage, read_write> stats: array<f32>;
#else
@group(0) @binding(6) var<storage, read> stats: array<f32>;
#endif
@group(0) @binding(7) var<storage, read> mask: array<i32>;
@group(0) @binding(8) var<storage, read> bits: array<u32>;

// 32 rows of 8 vec4s; a row's quads change places so that threads that read one quad of several rows meet no bank twice.
var<workgroup> own: array<vec4f, 256>; // FORM 2: then P'
var<workgroup> other: array<vec4f, 256>; // FORM 0: then what rows tell each other
var<workgroup> weight: array<vec4f, 256>;
fn place(row: u32, quad: u32) -> u32 { return row * 8u + (quad ^ (row / 4u)); }

const order = vec4u(0, 1, 2, 3);
fn isKey(row0: u32, j: u32) -> bool { return j < p.n && (p.masked == 0u || mask[p.maskAt + row0 + j] != 0); }

@compute @workgroup_size(GROUP)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) thread: u32) {
  let g = p.base + group.x + groups.x * (group.y + groups.y * group.z);
  if (g >= p.total) { return; }
  let across = (p.n + 31u) / 32u;
  let head = g / across;
  let i0 = (g % across) * 32u;
  let row0 = head / p.heads * p.n;
  let column = head % p.heads * p.d4;
  let tx = thread % 8u;
  let ty = thread / 8u;
  let last = p.n - 1u;
  var acc: array<vec4f, OWNED>;
#if FORM == 0
  var most = vec4f(NEVER);
  var sum = vec4f();
#endif
#if FORM == 2
  var second: array<vec4f, OWNED>;
#endif
  for (var j0 = 0u; j0 < p.n; j0 += 32u) {
    // A vec4 of others for each of 4 rows: scores, then dP. Said to be zero: in a loop drivers keep what was there.
    var s = array<vec4f, SUMS>();
#unroll
    for (var h = 0u; h < HALVES; h++) {
      for (var c0 = 0u; c0 < p.d4; c0 += 8u) {
        workgroupBarrier();
        // What is past the last row repeats it, and is not stored or has no weight.
        let quad = column + min(c0 + tx, p.d4 - 1u);
        for (var r = ty; r < 32u; r += 8u) {
          let row = row0 + min(vec2u(i0, j0) + r, vec2u(last));
          var mine = p.scaleA * vec4f(a[p.aAt + row.x * p.aRow + quad]);
          var theirs = vec4f(x[p.xAt + row.y * p.xRow + quad]);
          if (h == 1u) {
            mine = p.scaleB * vec4f(b[p.bAt + row.x * p.bRow + quad]);
            theirs = vec4f(y[p.yAt + row.y * p.yRow + quad]);
          }
          own[place(r, tx)] = mine;
          other[place(r, tx)] = theirs;
        }
        workgroupBarrier();
        for (var c = 0u; c < min(8u, p.d4 - c0); c++) {
          let four = mat4x4f(other[place(4u * tx, c)], other[place(4u * tx + 1u, c)], other[place(4u * tx + 2u, c)], other[place(4u * tx + 3u, c)]);
#unroll
          for (var i = 0u; i < 4u; i++) {
            s[4u * h + i] += own[place(4u * ty + i, c)] * four;
          }
        }
      }
    }
    workgroupBarrier();
    let j = j0 + 4u * tx;
#if FORM == 2
    let rows = head * p.n + min(j + order, vec4u(last));
    var kept = vec4u(0xffffffffu);
    var peak: vec4f;
    var mean: vec4f;
#unroll
    for (var i = 0u; i < 4u; i++) {
      peak[i] = stats[2u * rows[i]];
      mean[i] = stats[2u * rows[i] + 1u];
      if (p.words > 0u) { kept[i] = bits[rows[i] * p.words + i0 / 32u]; }
    }
#else
    let live = vec4<bool>(isKey(row0, j), isKey(row0, j + 1u), isKey(row0, j + 2u), isKey(row0, j + 3u));
#endif
#if FORM == 0
    var top: vec4f;
#unroll
    for (var i = 0u; i < 4u; i++) {
      let alive = select(vec4f(NEVER), s[i], live);
      top[i] = max(max(alive.x, alive.y), max(alive.z, alive.w));
    }
    other[thread] = top;
    workgroupBarrier();
    let before = most;
    for (var i = 0u; i < 8u; i++) { most = max(most, other[8u * ty + i]); }
    let shrink = exp2(before - most);
    sum *= shrink;
#endif
#unroll
    for (var i = 0u; i < 4u; i++) {
      let row = i0 + 4u * ty + i;
#if FORM == 2
      let live = vec4<bool>(isKey(row0, row)) & (j + order <= vec4u(last));
      let keep = ((kept >> vec4u(4u * ty + i)) & vec4u(1u)) != vec4u();
#else
      let at = head * p.n + min(row, last);
      var kept = 0xffffffffu;
      if (p.words > 0u) { kept = bits[at * p.words + j0 / 32u]; }
      let keep = ((vec4u(kept) >> (order + 4u * tx)) & vec4u(1u)) != vec4u();
#endif
#if FORM == 0
      let e = select(vec4f(), exp2(min(s[i] - most[i], vec4f())), live);
      sum[i] += dot(e, vec4f(1.0));
      weight[place(4u * ty + i, tx)] = select(vec4f(), e, keep);
#unroll
      for (var q = 0u; q < QUADS; q++) {
        acc[4u * q + i] *= shrink[i];
      }
#else
#if FORM == 1
      let peak = stats[2u * at];
      let mean = stats[2u * at + 1u];
#endif
      let e = select(vec4f(), exp2(min(s[i] - peak, vec4f())), live);
      weight[place(4u * ty + i, tx)] = e * (select(vec4f(), s[4u + i], keep) - mean);
#if FORM == 2
      own[place(4u * ty + i, tx)] = select(vec4f(), e, keep);
#endif
#endif
    }
    workgroupBarrier();
    for (var k = 0u; k < min(8u, (p.n - j0 + 3u) / 4u); k++) {
#unroll
      for (var q = 0u; q < QUADS; q++) {
        let quad = column + min(8u * q + tx, p.d4 - 1u);
        let rows = row0 + min(j0 + 4u * k + order, vec4u(last));
#if FORM > 0
        let xAt = p.xAt + quad + p.xRow * rows;
        let xs = mat4x4f(vec4f(x[xAt.x]), vec4f(x[xAt.y]), vec4f(x[xAt.z]), vec4f(x[xAt.w]));
#endif
#if !FORM == 1
        let yAt = p.yAt + quad + p.yRow * rows;
        let ys = mat4x4f(vec4f(y[yAt.x]), vec4f(y[yAt.y]), vec4f(y[yAt.z]), vec4f(y[yAt.w]));
#endif
#unroll
        for (var i = 0u; i < 4u; i++) {
#if FORM == 0
          acc[4u * q + i] += ys * weight[place(4u * ty + i, k)];
#else
          acc[4u * q + i] += xs * weight[place(4u * ty + i, k)];
#endif
#if FORM == 2
          second[4u * q + i] += ys * own[place(4u * ty + i, k)];
#endif
        }
      }
    }
  }
#if FORM == 0
  workgroupBarrier();
  other[thread] = sum;
  workgroupBarrier();
  sum = vec4f();
  for (var i = 0u; i < 8u; i++) { sum += other[8u * ty + i]; }
#endif
#unroll
  for (var i = 0u; i < 4u; i++) {
    let row = i0 + 4u * ty + i;
    if (row < p.n) {
#if FORM == 0
      let factor = select(0.0, p.scaleOut / sum[i], sum[i] > 0.0);
      if (tx == 0u) { stats[2u * (head * p.n + row)] = select(0.0, most[i] + log2(sum[i]), sum[i] > 0.0); }
#else
      let factor = p.scaleOut;
#endif
      let at = (row0 + row) * p.outRow + column;
#unroll
      for (var q = 0u; q < QUADS; q++) {
        let quad = 8u * q + tx;
        if (quad < p.d4) {
          out[p.outAt + at + quad] = Out(factor * acc[4u * q + i]);
#if FORM == 2
          out[p.secondAt + at + quad] = p.scaleSecond * second[4u * q + i];
#endif
        }
      }
    }
  }
}
#endif
