import { accumulate, elementwise, ones } from './accumulate'
import { type Node, Tensor } from './tensor'

let enabled = true

function withTape<T>(on: boolean, body: () => T): T {
  const before = enabled
  enabled = on
  try {
    return body()
  } finally {
    enabled = before
  }
}

/** Runs `body` without leaving anything on the tape. */
export const noGrad = <T>(body: () => T): T => withTape(false, body)

/** Puts `output` on the tape if one of the inputs asks for a gradient; frozen inputs cost nothing later. */
export function tape(op: string, inputs: Tensor[], output: Tensor, rule: Node['backward']): Tensor {
  if (enabled && inputs.some((t) => t.requiresGrad)) {
    output.requiresGrad = true
    output.node = { op, inputs, backward: rule }
  }
  return output
}

/**
 * body(x), of which only x is kept: backward runs `body` again, which must do the same as before. Gradients of other
 * tensors that it uses reach these if they are leaves.
 */
export function checkpoint(x: Tensor, body: (x: Tensor) => Tensor): Tensor {
  const y = body(x)
  if (!y.node) return y
  y.node = {
    op: 'checkpoint',
    inputs: [x],
    backward: (dy, [needX]) => {
      const leaf = new Tensor(x.device, x.storage, x.shape, x.dtype, x.offset).requireGrad(needX)
      backwardAll([[withTape(true, () => body(leaf)), dy]])
      return [leaf.grad]
    },
  }
  return y
}

/**
 * Reverse-mode differentiation: visits the graph from `root` in reverse topological order and adds up each tensor's
 * gradient before handing it on. Leaves keep theirs in `.grad`, in memory of its own.
 */
export function backward(root: Tensor, seed?: Tensor): void {
  if (!root.requiresGrad) throw new Error('backward: no input of this tensor requires a gradient')
  if (!seed && root.size !== 1) throw new TypeError(`backward: a tensor of shape [${root.shape}] needs a seed gradient of that shape`)
  if (seed && seed.size !== root.size) throw new TypeError(`backward: the seed: wanted shape [${root.shape}], got [${seed.shape}]`)
  backwardAll([[root, seed ?? ones(root)]])
}

/** `backward` from several tensors at once, each with the gradient that reached it. */
export function backwardAll(seeds: [Tensor, Tensor][]): void {
  noGrad(() => {
    const grads = new Map<Tensor, Tensor>()
    const give = (to: Tensor, gradient: Tensor) => {
      const before = grads.get(to)
      grads.set(to, before ? accumulate(before, gradient) : gradient)
    }
    for (const [root, seed] of seeds) give(root, seed)
    // A rule may hand one tensor to several inputs, and the seed is the caller's.
    const owned = seeds.map(([, seed]) => seed)
    for (const tensor of reverseOrder(seeds.map(([root]) => root))) {
      const gradient = grads.get(tensor)
      if (!gradient) continue
      grads.delete(tensor)
      const { node } = tensor
      if (!node) {
        tensor.grad = tensor.grad || owned.some((other) => overlap(other, gradient)) ? added(tensor.grad, gradient) : gradient
        owned.push(tensor.grad)
        continue
      }
      const { inputs } = node
      const needs = inputs.map((t) => t.requiresGrad)
      const lent = new Set<Tensor>()
      const into = (i: number, spent = false) => {
        const before = grads.get(inputs[i])
        if (!before || (!spent && overlap(before, gradient)) || owned.some((other) => overlap(before, other))) return null
        for (const [to, other] of grads) if (to !== inputs[i] && overlap(before, other)) return null
        lent.add(before)
        return before
      }
      node.backward(gradient, needs, into).forEach((g, i) => {
        if (g && needs[i] && !lent.has(g)) give(inputs[i], g)
      })
    }
  })
}

function overlap(a: Tensor, b: Tensor): boolean {
  return a.storage === b.storage && a.offset < b.offset + b.size && b.offset < a.offset + a.size
}

/** before + more, or a copy of more, in new memory. */
function added(before: Tensor | null, more: Tensor): Tensor {
  if (before) return accumulate(before, more)
  return elementwise('gradient', 'copy', Tensor.empty(more.device, more.shape, 'gradient'), [more])
}

function reverseOrder(roots: Tensor[]): Tensor[] {
  const done = new Set<Tensor>()
  const order: Tensor[] = []
  const stack = roots.map((tensor) => ({ tensor, open: false }))
  for (let top = stack.pop(); top; top = stack.pop()) {
    const { tensor, open } = top
    if (open) order.push(tensor)
    else if (!done.has(tensor)) {
      done.add(tensor)
      stack.push({ tensor, open: true })
      for (const input of tensor.node?.inputs ?? []) if (input.requiresGrad && !done.has(input)) stack.push({ tensor: input, open: false })
    }
  }
  return order.reverse()
}
