import type { Tensor } from '../graph'
import type { CallablePeftModel } from '../peft'

const isBad = (v: number) => !Number.isFinite(v)

/**
 * Where a step that was not finite went wrong, from the numbers it left: norm of the gradient in float64, and the first bad
 * tensor of base weights, trained tensors, gradients.
 */
export async function describeBadStep(model: CallablePeftModel): Promise<{ gradNorm: number; tensor: string }> {
  const { parameters, base } = model
  const gradients = new Map<string, Float32Array>()
  const all = await parameters.gradients.data()
  for (const [name, { size }] of parameters.trained()) {
    const at = parameters.places.get(name) ?? 0
    gradients.set(name, all.subarray(at, at + size))
  }
  const gradNorm = Math.sqrt(all.reduce((sum, g) => sum + g * g, 0))
  const values = new Map([...(await parameters.read())].map(([name, { data }]) => [name, data]))
  const tensor =
    (await firstBadWeight([...base.encoder.tensors, ...base.head.tensors])) ??
    firstBad('the trained tensor', values) ??
    firstBad('the gradient of', gradients) ??
    largest(gradients)
  return { gradNorm, tensor }
}

function firstBad(what: string, tensors: ReadonlyMap<string, Float32Array>): string | undefined {
  for (const [name, data] of tensors) {
    const bad = data.findIndex(isBad)
    if (bad >= 0) return `${what} ${name} (number ${bad} of ${data.length} is ${data[bad]})`
  }
  return undefined
}

/** Weights may be large: one after the other; what cannot be read is passed over. */
async function firstBadWeight(tensors: [string, Tensor][]): Promise<string | undefined> {
  for (const [name, tensor] of tensors) {
    const data = await tensor.data().catch(() => new Float32Array())
    const found = firstBad('the base weight', new Map([[name, data]]))
    if (found) return found
  }
  return undefined
}

/** All are finite, but the sum of their squares is beyond float32, or the loss alone is not finite. */
function largest(gradients: ReadonlyMap<string, Float32Array>): string {
  let [name, most] = ['', -1]
  for (const [key, data] of gradients) {
    const here = data.reduce((m, v) => Math.max(m, Math.abs(v)), 0)
    if (here > most) [name, most] = [key, here]
  }
  return `none; the gradient of ${name} has the largest number, ${most}`
}
