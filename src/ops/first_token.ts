import shader from '../../shaders/first_token.wgsl'
import { complain } from '../gpu'
import { halves, rowRanges, Tensor, tape } from '../graph'

/**
 * y[b] = x[b, 0]: the first token of each row, x [batch, length, hidden] f32 or f16,
 * y [batch, hidden] f32.
 * Backward: dx[b, 0] = dy[b], zero elsewhere.
 */
export function firstToken(x: Tensor): Tensor {
  if (x.shape.length !== 3) complain('firstToken', 'x', '[batch, length, hidden]', `[${x.shape}]`)
  const [batch, length, hidden] = x.shape
  const y = run('firstToken', x, Tensor.empty(x.device, [batch, hidden], 'firstToken'), length, false)
  return tape('firstToken', [x], y, (dy) => [
    run('firstToken.backward', dy, Tensor.empty(x.device, x.shape, 'firstToken.dx'), length, true),
  ])
}

function run(op: string, from: Tensor, to: Tensor, length: number, backward: boolean): Tensor {
  const hidden = from.shape.at(-1) as number
  const [narrow, wide] = [hidden, hidden * length]
  const batch = (backward ? to : from).size / wide
  for (const { start, count } of rowRanges(from.device, op, batch, narrow * 4, wide * from.width)) {
    const bind = (t: Tensor, row: number) => t.bind(start * row, count * row)
    const size = count * (backward ? wide : narrow)
    from.device.run({
      op,
      shader,
      constants: { BACKWARD: backward, ...halves({ X: from }) },
      bind: backward ? [bind(to, wide), bind(from, narrow)] : [bind(to, narrow), bind(from, wide)],
      words: [size, hidden, length],
      groups: Math.ceil(size / 64),
      bytes: 4 * (size + count * narrow),
    })
  }
  return to
}
