import { complain } from '../gpu'
import { Tensor, tape } from '../graph'
import { gemm, type Matrix } from './gemm'
import { gradInput, linear } from './linear'
import { sumRows } from './sum_rows'

export interface LowRank {
  /** [r, in]; PEFT's lora_A. */
  A: Tensor
  /** [out, r]; PEFT's lora_B. */
  B: Tensor
  /** s = loraAlpha / r. */
  scaling: number
  /** What the adapter reads when it is not x itself (x after the adapter's dropout). */
  input?: Tensor
}

/**
 * y = x·Wᵀ + b + s·(x'·Aᵀ)·Bᵀ, where x' is x or `input`; x [..., in], W [out, in], y [..., out]. ΔW = s·B·A is never formed,
 * and y and dx are not read a second time by passes of their own. x, W and x' are f32 or f16 each, y is as x, all else f32. `dense` is x·Wᵀ + b where that is there already: y takes its
 * place.
 *
 * Backward: h = x'·Aᵀ is kept; dh = s·dy·B, dx = dy·W (+ dh·A where x' is x), dx' = dh·A, dA = dhᵀ·x', dB = s·dyᵀ·h.
 */
export function loraLinear(x: Tensor, weight: Tensor, bias: Tensor | null, { A, B, scaling, input = x }: LowRank, dense?: Tensor): Tensor {
  const [outputs, inputs] = weight.shape
  const [r] = A.shape
  if (x.shape.at(-1) !== inputs) complain('loraLinear', 'the last dimension of x', `${inputs}`, `[${x.shape}]`)
  if (`${input.shape}` !== `${x.shape}`) complain('loraLinear', 'input', `[${x.shape}]`, `[${input.shape}]`)
  if (A.shape.length !== 2 || A.shape[1] !== inputs) complain('loraLinear', 'A', `[r, ${inputs}]`, `[${A.shape}]`)
  if (`${B.shape}` !== `${[outputs, r]}`) complain('loraLinear', 'B', `[${outputs}, ${r}]`, `[${B.shape}]`)
  const rows = x.size / inputs
  const rowsOf = (tensor: Tensor, columns: number, transposed = false): Matrix => ({ tensor, rowStride: columns, transposed })
  const h = Tensor.empty(x.device, [rows, r], 'lora.h')
  gemm({ op: 'lora.h', a: rowsOf(input, inputs), b: rowsOf(A, inputs, true), c: rowsOf(h, r), m: rows, n: r, k: inputs })
  const y = dense ?? linear(x, weight, bias)
  y.node = null
  y.requiresGrad = false
  gemm({
    op: 'lora.y',
    a: rowsOf(h, r),
    b: rowsOf(B, r, true),
    c: rowsOf(y, outputs),
    m: rows,
    n: outputs,
    k: r,
    alpha: scaling,
    accumulate: true,
  })

  const tensors = [x, weight, A, B, input, ...(bias ? [bias] : [])]
  return tape('loraLinear', tensors, y, (dy, [needX, needW, needA, needB, needInput, needBias], into) => {
    const dh = Tensor.empty(x.device, [rows, r], 'lora.dh')
    if (needA || needInput)
      gemm({ op: 'lora.dh', a: rowsOf(dy, outputs), b: rowsOf(B, r), c: rowsOf(dh, r), m: rows, n: r, k: outputs, alpha: scaling })
    const back = (to: Tensor, accumulate: boolean) =>
      gemm({ op: 'lora.dx', a: rowsOf(dh, r), b: rowsOf(A, inputs), c: rowsOf(to, inputs), m: rows, n: inputs, k: r, accumulate })
    const dx = needX ? gradInput(dy, x, weight, into(0)) : null
    if (dx && input === x) back(dx, true)
    const dInput = needInput && input !== x ? Tensor.empty(x.device, x.shape, 'lora.dx') : null
    if (dInput) back(dInput, false)
    const product = (op: string, left: Matrix, right: Matrix, m: number, n: number, alpha = 1) => {
      const out = Tensor.empty(x.device, [m, n], op)
      gemm({ op, a: left, b: right, c: rowsOf(out, n), m, n, k: rows, alpha })
      return out
    }
    return [
      dx,
      needW ? product('linear.dw', rowsOf(dy, outputs, true), rowsOf(x, inputs), outputs, inputs) : null,
      needA ? product('lora.dA', rowsOf(dh, r, true), rowsOf(input, inputs), r, inputs) : null,
      needB ? product('lora.dB', rowsOf(dy, outputs, true), rowsOf(h, r), outputs, r, scaling) : null,
      dInput,
      needBias && bias ? sumRows('linear.db', dy, outputs) : null,
    ]
  })
}
