import { complain } from '../gpu'
import { Tensor, tape } from '../graph'
import { gemm, type Matrix } from './gemm'
import { joined, linear, parts } from './linear'

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
 * and y and dx are not read a second time by passes of their own. x, W and x' are f32 or f16 each, y is as x, all else f32.
 *
 * Backward: h = x'·Aᵀ is kept; dh = s·dy·B, dx = dy·W (+ dh·A where x' is x), dx' = dh·A, dA = dhᵀ·x', dB = s·dyᵀ·h.
 */
export function loraLinear(x: Tensor, weight: Tensor, bias: Tensor | null, { A, B, scaling, input = x }: LowRank): Tensor {
  const [outputs, inputs] = weight.shape
  const [r] = A.shape
  if (x.shape.at(-1) !== inputs) complain('loraLinear', 'the last dimension of x', `${inputs}`, `[${x.shape}]`)
  if (`${input.shape}` !== `${x.shape}`) complain('loraLinear', 'input', `[${x.shape}]`, `[${input.shape}]`)
  if (A.shape.length !== 2 || A.shape[1] !== inputs) complain('loraLinear', 'A', `[r, ${inputs}]`, `[${A.shape}]`)
  if (`${B.shape}` !== `${[outputs, r]}`) complain('loraLinear', 'B', `[${outputs}, ${r}]`, `[${B.shape}]`)
  return addLowRank(linear(x, weight, bias), [{ A, B, scaling, input, column: 0 }])
}

/** A low-rank term of the columns of y from `column` on. */
export interface Term extends Required<LowRank> {
  column: number
}

/**
 * y[:, column …] += s·(x'·Aᵀ)·Bᵀ for each term, in y's memory: the tensor that is given back takes y's place. Terms of one x'
 * whose A and whose B follow each other in memory are computed together: x' is read once.
 */
export function addLowRank(y: Tensor, terms: Term[]): Tensor {
  const [first] = terms
  if (!first) return y
  const [A, B] = [joined(terms.map((t) => t.A)), joined(terms.map((t) => t.B))]
  const step = terms.length > 1 ? terms[1].column - first.column : 0
  const alike = (t: Term, i: number) => t.input === first.input && t.scaling === first.scaling && t.column === first.column + i * step
  if (A && B && terms.every(alike)) return addTogether(y, terms, A, B, step)
  return terms.reduce((sum, term) => addTogether(sum, [term], term.A, term.B, 0), y)
}

/** Terms i of A [terms · r, in] and B [terms · out, r]; in the rows of h [rows, terms · r] they lie side by side. */
function addTogether(y: Tensor, terms: Term[], A: Tensor, B: Tensor, step: number): Tensor {
  const [{ input, scaling: alpha, column }] = terms
  const count = terms.length
  const [n, inputs] = A.shape
  const [r, width] = [B.shape[1], y.shape.at(-1) ?? 0]
  const [rows, outputs] = [y.size / width, B.shape[0] / count]
  const all = (tensor: Tensor, transposed = false): Matrix => ({
    tensor,
    rowStride: tensor === A || tensor === input ? inputs : n,
    transposed,
  })
  // Of each term: its columns of y and of h, its rows of B.
  const ofY = (tensor: Tensor, transposed = false) => ({ tensor, rowStride: width, transposed, offset: column, stride0: step })
  const ofH = (tensor: Tensor) => ({ tensor, rowStride: n, stride0: r })
  const ofB = (tensor: Tensor, transposed = false) => ({ tensor, rowStride: r, transposed, stride0: outputs * r })
  const each = { batch0: count, alpha }

  const h = Tensor.empty(y.device, [rows, n], 'lora.h')
  gemm({ op: 'lora.h', a: all(input), b: all(A, true), c: all(h), m: rows, n, k: inputs })
  const sum = new Tensor(y.device, y.storage, y.shape, y.dtype, y.offset)
  gemm({ op: 'lora.y', a: ofH(h), b: ofB(B, true), c: ofY(sum), m: rows, n: outputs, k: r, ...each, accumulate: true })

  /** dh·A, added to what `into` holds. */
  const gradInput = (dh: Tensor, into: Tensor | null) => {
    const dx = into ?? Tensor.empty(y.device, input.shape, 'lora.dx')
    gemm({
      op: 'lora.dx',
      a: all(dh),
      b: all(A),
      c: { tensor: dx, rowStride: inputs },
      m: rows,
      n: inputs,
      k: n,
      accumulate: into !== null,
    })
    return dx
  }
  const gradA = (dh: Tensor) => {
    const dA = Tensor.empty(y.device, A.shape, 'lora.dA')
    gemm({ op: 'lora.dA', a: all(dh, true), b: all(input), c: { tensor: dA, rowStride: inputs }, m: n, n: inputs, k: rows })
    return parts(dA, count)
  }
  const gradB = (dy: Tensor) => {
    const dB = Tensor.empty(y.device, B.shape, 'lora.dB')
    gemm({ op: 'lora.dB', a: ofY(dy, true), b: ofH(h), c: ofB(dB), m: outputs, n: r, k: rows, ...each })
    return parts(dB, count)
  }
  const none = terms.map(() => null)
  const tensors = [y, input, ...terms.map((t) => t.A), ...terms.map((t) => t.B)]
  return tape('lora', tensors, sum, (dy, [, needInput, ...needs], into) => {
    const [needA, needB] = [needs.slice(0, count).some(Boolean), needs.slice(count).some(Boolean)]
    const dh = Tensor.empty(y.device, [rows, n], 'lora.dh')
    if (needA || needInput) gemm({ op: 'lora.dh', a: ofY(dy), b: ofB(B), c: ofH(dh), m: rows, n: r, k: outputs, ...each })
    return [dy, needInput ? gradInput(dh, into(1)) : null, ...(needA ? gradA(dh) : none), ...(needB ? gradB(dy) : none)]
  })
}
