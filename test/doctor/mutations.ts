import type { Constants } from '../../src/doctor/check'

/** One sign or index of a kernel made wrong. */
export interface Mutation {
  /** Without .wgsl. */
  file: string
  /** Stands in the file exactly once. */
  find: string
  replace: string
  /** The forms to break: those that have the text and not only as an unused function. Default: all that have it. */
  when?: (constants: Constants) => boolean
}

const forward: Mutation['when'] = (c) => !c.BACKWARD
const backward: Mutation['when'] = (c) => c.BACKWARD === true
const form =
  (...forms: number[]): Mutation['when'] =>
  (c) =>
    forms.includes(Number(c.FORM))
const m = (file: string, find: string, replace: string, when?: Mutation['when']): Mutation => ({ file, find, replace, when })

const pointwise: Mutation[] = [
  m('activation', '-12.0)) * phi(v)', '-12.0)) * phi(-v)', forward),
  m('activation', 'onePlusTanh(0.7978845608028654 * (c + 0.044715', 'onePlusTanh(0.7978845608028654 * (c - 0.044715', forward),
  m('activation', 'return tanhSafe(v);', 'return -tanhSafe(v);', forward),
  m('activation', 'select(v, Cell(0.0), v < Cell(0.0))', 'select(v, Cell(0.0), v > Cell(0.0))', forward),
  m('activation', 'return phi(v) + c', 'return phi(v) - c', backward),
  m('activation', '0.5 * onePlusTanh(u) + 0.5', '0.5 * onePlusTanh(u) - 0.5', backward),
  m('activation', 'return sech2(v);', 'return -sech2(v);', backward),
  m('activation', 'Cell(1.0), v > Cell(0.0))', 'Cell(1.0), v < Cell(0.0))', backward),
  m('activation', '(-0.0724039077758789', '(0.0724039077758789', form(0)),
  m('activation', 'min(start + PER_THREAD, p.count)', 'start + PER_THREAD', (c) => c.PER_THREAD === 4),
  m('elementwise', 'Cell(a[i]) + Cell(b[j])', 'Cell(a[i]) - Cell(b[j])'),
  m('elementwise', 'Cell(a[i]) - Cell(b[j])', 'Cell(a[i]) + Cell(b[j])'),
  m('elementwise', 'Cell(a[i]) * Cell(b[j])', '-Cell(a[i]) * Cell(b[j])'),
  m('elementwise', 'Cell(a[i]) * p.s', 'Cell(a[0]) * p.s'),
  m('elementwise', 'return Cell(p.s);', 'return Cell(-p.s);'),
  m('elementwise', 'return Cell(a[i]);', 'return -Cell(a[i]);'),
  m('elementwise', 'Cell(out[i]) + Cell(a[i])', 'Cell(out[i]) - Cell(a[i])'),
  m('elementwise', 'i % p.period', 'i / p.period'),
  m('broadcast', 'p.factor * s[0]', '-p.factor * s[0]'),
  m('broadcast', 'p.base + group.x', 'group.x'),
  m('broadcast', '|| i >= p.count', ''),
  m('mse', 'out[i] = d * d;', 'out[i] = -d * d;'),
  m('mse', 'dy[0] * p.factor * d', '-dy[0] * p.factor * d'),
  m('mse', 'a[i] - t[i]', 'a[i] + t[i]'),
  m('mse', 'groups.y * group.z', 'group.z'),
  m('first_token', 'in[row * p.length * p.hidden + h]', 'in[row * p.hidden + h]'),
  m('first_token', 'row == batch * p.length', 'row != batch * p.length'),
  m('first_token', 'groups.x * (', '('),
  m('dropout', 'number >= p.threshold', 'number < p.threshold'),
  m('dropout', 'numbers >= vec4u(p.threshold)', 'numbers < vec4u(p.threshold)'),
  m('dropout', 'p.block0 + block', 'block'),
  m('dropout', '(random >> vec4u(16u)) >= ', '(random >> vec4u(16u)) < '),
  m('dropout', '8u * i - shift', '8u * i'),
  m('dropout', 'al * bh + (mid & 0xffffu)', 'al * bh - (mid & 0xffffu)'),
]

const rows: Mutation[] = [
  m('softmax', 'let e = exp(p.scale * x[at + j] - peak);', 'let e = exp(x[at + j] - peak);'),
  m('softmax', '- peak, Cell())), mask[keep + j] != ', '- peak, Cell())), mask[keep + j] == '),
  m('softmax', '((p.first + row) / p.perMask)', '(row / p.perMask)'),
  m('softmax', 'dp[at + j] - dotted', 'dp[at + j] + dotted'),
  m('softmax', 'partial[thread] += partial[thread + width]', 'partial[thread] -= partial[thread + width]'),
  m('softmax', '(c.x + c.y) + (c.z + c.w)', '(c.x + c.y) + (c.z - c.w)'),
  m('layernorm', '- mu) * rho) + beta[j]', '- mu) * rho) - beta[j]'),
  m('layernorm', 'stats[moment + 1u] = rho', 'stats[moment + 2u] = rho'),
  m('layernorm', '- c.x - (Cell(x[at + j]', '- c.x + (Cell(x[at + j]'),
  m('layernorm', 'dy[at + j] * (Cell(x[at + j]) - mu)', 'dy[at + j] * (Cell(x[at + j]) + mu)'),
  m('layernorm', 'Cell(x[at + j]) + Cell(added', 'Cell(x[at + j]) - Cell(added', (c) => !c.DROP),
  m('layernorm', 'Cell(x[at + j]) + dropped(', 'Cell(x[at + j]) - dropped('),
  m('layernorm', 'added[at + j] = value', 'added[at + lane] = value'),
  m('layernorm', 'j % 8u * 4u', 'j % 8u'),
  m('layernorm', 'p.bitsAt + row * p.words + j / 32u', 'row * p.words + j / 32u'),
  m('layernorm', 'dropped(row, j, dx)', 'dropped(row, 0u, dx)'),
  m('layernorm', 'partial[thread] += partial[thread + width]', 'partial[thread] -= partial[thread + width]', form(0, 1)),
  m('layernorm', '(c.x + c.y) + (c.z + c.w)', '(c.x + c.y) + (c.z - c.w)', form(0, 1)),
  m('layernorm', 'p.statsAt + 2u * row', '2u * row'),
  m('cross_entropy', 'log(sum) - (1.0', 'log(sum) + (1.0'),
  m('cross_entropy', 'select(loss, 0.0, ignored)', 'loss'),
  m('cross_entropy', 'labels[i] != bitcast', 'labels[i] == bitcast', (c) => c.MEAN === true),
  m('cross_entropy', 'out[0] = 1.0;', 'out[0] = -1.0;'),
  m('cross_entropy', '- hit - p.smoothing', '+ hit - p.smoothing'),
  m('cross_entropy', 'i32(p.c) - 1)', 'i32(p.c) - 2)', form(0, 2)),
]

const sums: Mutation[] = [
  m('reduce', 'sum += f32(x[p.xAt + row', 'sum -= f32(x[p.xAt + row'),
  m('reduce', 'out[p.outAt + part * p.columns + column]', 'out[p.outAt + column]'),
  m('reduce', 'x[p.xAt + i]', 'x[i]'),
  m('row_norm', 'b[p.bAt + g * p.r + k]', 'b[g * p.r + k]'),
  m('row_norm', 'a[k * p.inputs + i]', 'a[i]'),
  m('row_norm', '+ p.s * delta', '- p.s * delta'),
  m('row_norm', 'sums[thread + width]', 'sums[thread + 1u]'),
  m('reduce', 'sums[thread + width]', 'sums[thread + 1u]'),
  m('adamw', 'grad[i] * grad[i]', 'grad[i] * grad[thread]'),
  m('adamw', 'partial[p.partials + g]', 'partial[g]'),
  m('adamw', 'sum += partial[i]', 'sum -= partial[i]'),
  m('adamw', 'min(1.0, p.maxNorm / (norm + 1e-6))', 'p.maxNorm / (norm + 1e-6)'),
  m('adamw', '&& status[3] == 0.0', '&& status[3] != 0.0'),
  m('adamw', 'p.beta1 * m[i] + p.rest1', 'p.beta1 * m[i] - p.rest1'),
  m('adamw', '- lr * (mNew / hyper[1])', '- lr * (mNew / hyper[2])'),
  m('adamw', 'if (status[2] == 0.0)', 'if (status[0] == 0.0)'),
  m('loss_scale', 'let norm = status[0] / scale', 'let norm = status[0] * scale'),
  m('loss_scale', 'p.maxNorm > 0.0) / scale', 'p.maxNorm > 0.0) * scale'),
  m('loss_scale', '(1.0 - state[3])', '(1.0 + state[3])'),
  m('loss_scale', '(1.0 - state[4])', '(1.0 - state[3])'),
  m('loss_scale', 'if (state[2] > 0.0)', 'if (state[2] == 0.0)'),
  m('loss_scale', 'state[1] >= p.every', 'state[1] > p.every'),
  m('loss_scale', 'min(2.0 * scale, 4294967296.0)', '2.0 * scale'),
  m('loss_scale', 'status[3] == hyper[3]', 'status[3] != 0.0'),
  m('loss_scale', '!= 0x7f800000u', '!= 0u'),
  m('loss_scale', '&& scale > 1.0', '&& scale > 0.0'),
  m('embedding', 'let id = ids[p.position0 + position];', 'let id = ids[position];'),
  m('embedding', 'row * p.h + (i - position * p.h)', 'row * p.h'),
  m('embedding', 'value + sum[i]', 'value - sum[i]'),
  m('embedding', 'f32(y[i]) + value', 'f32(y[i]) - value'),
  m('embedding', 'if (id < 0 || row >= p.rows)', 'if (id < 0)'),
  m('embedding', 'sum += dy[position * p.h + column]', 'sum -= dy[position * p.h + column]'),
  m('embedding', 'u32(order[k]) - p.position0', 'u32(order[k])'),
]

const gelu: Mutation['when'] = (c) => c.GELU === true

const products: Mutation[] = [
  m('matmul', 'tileA[left + r]', 'tileA[left]'),
  m('matmul', 'fma(vec4f(', 'fma(-vec4f('),
  m('matmul', 'bias[p.biasOff + b0', 'bias[b0'),
  m('matmul', 'value += f32(c[at])', 'value -= f32(c[at])'),
  m('matmul', 'b1 * p.bB1', 'b0 * p.bB1'),
  m('matmul', 'min(col0 + 4u, p.n)', '(col0 + 4u)'),
  m('matmul', 'p.base + group.x', 'group.x'),
  m('matmul_blocks', '(i / 4u) * HALF', '(i % 4u) * HALF'),
  m('matmul_blocks', 'i * towardsA', 'i'),
  m('matmul_blocks', 'return K;', 'return p.k - 1u;'),
  m('matmul_blocks', 'let row = row0 + kk;', 'let row = kk;', (c) => c.HALVES === 2),
  m('matmul_blocks', 'vec2u(m0, (step + 1u) * STEP)', 'vec2u(m0, step * STEP)', (c) => c.HALVES === 2),
  m('matmul_blocks', '[fromB.x % 4u]', '[fromB.y % 4u]'),
  m('matmul_blocks', 'p.biasOff + b0 * n()', 'p.biasOff'),
  m('matmul_blocks', 'value += f32(c[at])', 'value -= f32(c[at])'),
  m('matmul_blocks', '(-0.0724039077758789', '(0.0724039077758789', gelu),
  m('matmul_blocks', '-100.0) * onePlusTanh', '-100.0) * -onePlusTanh', gelu),
  m('matmul_blocks', 'return phi(v) + x', 'return phi(v) - x', gelu),
  m('matmul_blocks', '0.5 * onePlusTanh(u) + 0.5', '0.5 * onePlusTanh(u) - 0.5', gelu),
  m('matmul_blocks', 'let i = at - p.cOff', 'let i = at', gelu),
  m(
    'matmul_units',
    'm * LEFT_ROW + q * UNIT_K / 4u',
    'm * LEFT_ROW + q * UNIT_K',
    (c) => c.FORM !== 2 && (c.STEP ?? 32) !== (c.UNIT_K ?? 16),
  ),
  m('matmul_units', 'q * UNIT_K * LEFT_ROW + m / 4u', 'q * UNIT_K * LEFT_ROW', form(2)),
  m('matmul_units', 'n * RIGHT_ROW + q', 'n * RIGHT_ROW - q', form(1)),
  m('matmul_units', 'RIGHT_ROW + n / 4u', 'RIGHT_ROW', form(0, 2)),
  m('matmul_units', 'quad * 4u < p.m', 'quad * 4u < p.k', form(2)),
  m('matmul_units', 'unit / 2u * DOWN + i) * UNIT_M + at', 'unit / 2u * DOWN) * UNIT_M + at', (c) => c.DOWN !== 1),
  m('matmul_units', 'bias[biasBase + column]', 'bias[biasBase + row]'),
  m('matmul_units', 'value += f32(c[place])', 'value -= f32(c[place])'),
  m('matmul_units', 'p.biasOff + b0 * p.n', 'p.biasOff + b1 * p.n'),
  m('matmul_plain', 'acc[r] += f32(a[rows[r] + ', 'acc[r] += f32(a[rows[0] + '),
  m('matmul_plain', 'columns + k * p.bRow', 'columns + k'),
  m('matmul_plain', 'p.biasOff + b0 * p.n', 'p.biasOff + b1 * p.n'),
  m('matmul_plain', 'value += f32(c[at])', 'value -= f32(c[at])'),
  m('matmul_sum', 'sums[s * p.count + i]', 'sums[s * p.n + i]'),
  m('matmul_sum', 'bias[p.biasOff + batch', 'bias[batch'),
  m('matmul_sum', 'value += f32(c[at])', 'value -= f32(c[at])'),
  m('matmul_sum', 'batch / p.batch1 * p.cB0', 'batch * p.cB0'),
  m('matmul_direct', 'left.z * r2 + left.w * r3', 'left.z * r2 - left.w * r3'),
  m('matmul_direct', 'acc[r][j] += dot', 'acc[r][j] -= dot'),
  m('matmul_direct', 'acc[4u * h + i][j] += left[i] * right[j]', 'acc[4u * h + i][j] += left[0] * right[j]'),
  m('matmul_direct', 'p.biasOff + b0 * p.n', 'b0 * p.n'),
  m('matmul_direct', 'value += f32(c[at])', 'value -= f32(c[at])'),
  m('matmul_direct', 'b1 * p.aB1', 'b1 * p.bB1'),
  m('matmul_lanes', 'left.z * r2 + left.w * r3', 'left.z * r2 - left.w * r3'),
  m('matmul_lanes', 'dot(left, r2), dot(left, r3)', 'dot(left, r2), dot(left, r2)'),
  m('matmul_lanes', 'acc[q * 4u + 2u] += left.z', 'acc[q * 4u + 2u] += left.w'),
  m('matmul_lanes', 'bias[p.biasOff + biasAt]', 'bias[biasAt]'),
  m('matmul_lanes', 'value += Out(c[at])', 'value -= Out(c[at])'),
  m('matmul_lanes', 'row * p.cRow + n0 / 4u', 'row * p.cRow + n0'),
  m('matmul_lanes', 'col * p.cCol', 'col'),
  m('matmul_lanes', 'if (mine >= p.tiles)', 'if (thread >= LANES)'),
  m('matmul_thin', 'p.alpha * mat4x4f(four(at), four(at + p.bRow)', 'p.alpha * mat4x4f(four(at), four(at)'),
  m('matmul_thin', 'transpose(mat4x4f(four(at), four(at + p.bRow)', 'transpose(mat4x4f(four(at), four(at)'),
  m('matmul_thin', 'min(row + lane, p.m - 1u)', 'row'),
  m('matmul_thin', 'sum += vec4f(c[at])', 'sum -= vec4f(c[at])'),
  m('matmul_thin', 'mine < p.tiles', 'thread < LANES'),
]

const attention: Mutation[] = [
  m('attention', 'most[i] + log2(sum[i])', 'most[i] - log2(sum[i])'),
  m('attention', 'sum *= shrink', 'sum *= 1.0'),
  m('attention', 'acc[4u * q + i] *= shrink[i]', 'acc[4u * q + i] *= 1.0'),
  m('attention', 'acc[4u * q + i] += ys', 'acc[4u * q + i] -= ys'),
  m('attention', 'acc[4u * q + i] += xs', 'acc[4u * q + i] -= xs'),
  m('attention', 'second[4u * q + i] += ys', 'second[4u * q + i] -= ys'),
  m('attention', 's[4u + i], keep) - mean', 's[4u + i], keep) + mean'),
  m('attention', 'bits[at * p.words + j0 / 32u]', 'bits[at * p.words]'),
  m('attention', '|| mask[p.maskAt + row0 + j] != 0', '|| mask[p.maskAt + j] != 0'),
  m('attention', 'c < min(8u, p.d4 - c0)', 'c < 8u'),
  m('attention', 'sum += dot(vec4f(a[', 'sum -= dot(vec4f(a['),
]

export const mutations: Mutation[] = [...attention, ...pointwise, ...rows, ...sums, ...products]
