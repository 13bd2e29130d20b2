// Loaded only where kernels are tuned, or were.
import { isBakable, mayReadAhead } from './gemm_blocks'
import {
  type Chooser,
  directName,
  extras,
  isThin,
  isWide,
  type Job,
  lanesOf,
  narrowTiles,
  typesOf,
  usual,
  type Variant,
  vectorForm,
} from './gemm_kernels'
import { canSplit, partsOf } from './gemm_split'

/** Variants by the name of a product's shape: what a tuner found, what a checkpoint holds. */
export type Choices = Record<string, Variant>

/**
 * What a product's speed depends on, e.g. `A·Bᵀ 1024×768×768 +bias`, `A·B 64×32×64 of 192 half B`: sides, m × n × k, batches,
 * epilogue, and what is in half floats.
 */
export function shapeName(job: Job): string {
  const { a, b, m, n, k, batches, epilogue } = job
  const sides = `A${a.transposed ? 'ᵀ' : ''}·B${b.transposed ? 'ᵀ' : ''}`
  const more = [vectorForm(job) === null ? ' odd' : '', epilogue & 1 ? ' +bias' : '', epilogue & 2 ? ' +C' : '']
  const half = Object.keys(typesOf(job)).map((name) => name[1])
  if (half.length) more.push(` half ${half.join('')}`)
  return `${sides} ${m}×${n}×${k}${batches > 1 ? ` of ${batches}` : ''}${more.join('')}`
}

/** All that can compute a product on its device, the usual one first. */
export function variants(job: Job): Variant[] {
  const { software } = job.c.tensor.device
  const whole = [...(software ? onProcessors(job) : onGpus(job)), ...extras.flatMap(({ all }) => all(job))]
  const ahead = !software && !narrowTiles(job).length && mayReadAhead(job) ? ['ahead-8', 'ahead-16'] : []
  const parts = [2, 4, 8, 16, 32, 64].filter((count) => isWorthwhile(job, count))
  const baked = !software && isBakable(job) ? [...whole.filter((name) => name.startsWith('blocks')), ...ahead] : []
  const split = parts.flatMap((count) => whole.map((name) => `split-${count}×${name}`))
  return [
    ...new Set([usual(job), ...whole, ...(software ? [] : straight(job)), ...ahead, ...baked.map((name) => `baked-${name}`), ...split]),
  ]
}

/** Large tiles would be empty for the most part where C is narrow. */
function onGpus(job: Job): Variant[] {
  const narrow = narrowTiles(job)
  return [...narrow, 'tiled', ...(narrow.length || vectorForm(job) === null ? [] : ['blocks-8', 'blocks-16'])]
}

/** Without workgroup memory, where little of what is read is read again; in parts of k they would be many to measure. */
function straight(job: Job): Variant[] {
  const form = vectorForm(job)
  return Math.min(job.m, job.n, job.k) > 64 ? [] : [form === null ? 'plain' : directName(form)]
}

function onProcessors(job: Job): Variant[] {
  const form = vectorForm(job)
  if (form === null) return ['plain']
  const lanes = lanesOf(job.c.tensor.device)
  const upright = lanes && (form === 0 ? isWide(job) : true) ? ['lanes-8', 'lanes-16'] : []
  const turned = lanes && form > 0 && !job.bias ? ['lanes-8-turned', 'lanes-16-turned'] : []
  return ['plain', directName(form), ...upright, ...turned, ...(isThin(job, form) ? ['thin'] : [])]
}

/** Few tiles with a long k: parts keep more of the device busy, as long as each is long enough. */
function isWorthwhile(job: Job, count: number): boolean {
  const { m, n, k, batches, c } = job
  const [tile, most] = c.tensor.device.software ? [8, 64] : [32, 768]
  const tiles = Math.ceil(m / tile) * Math.ceil(n / tile) * batches
  return tiles * count <= most && partsOf(k, count).length >= 64 && canSplit(job, count)
}

/** Names the variants of `choices`: that of the same shape, else of one much like it, where the device can do it. */
export function chooserOf(choices: Choices): Chooser {
  const read = Object.entries(choices).map(([name, variant]) => ({ shape: readShape(name), variant }))
  return (job) => {
    const variant = nearest(read, readShape(shapeName(job)), 2)
    return variant !== undefined && variants(job).includes(variant) ? variant : undefined
  }
}

interface Shape {
  kind: string
  sizes: number[]
}

interface Choice {
  shape: Shape
  variant: Variant
}

/** The choice for a shape of the same kind whose sizes differ by at most so many factors of two in all. */
export function likely(choices: Choices, name: string, most: number): Variant | undefined {
  return nearest(
    Object.entries(choices).map(([other, variant]) => ({ shape: readShape(other), variant })),
    readShape(name),
    most,
  )
}

function nearest(choices: Choice[], wanted: Shape, most: number): Variant | undefined {
  let [best, variant]: [number, Variant | undefined] = [most, undefined]
  for (const choice of choices) {
    const far = choice.shape.kind === wanted.kind ? distance(choice.shape.sizes, wanted.sizes) : Number.POSITIVE_INFINITY
    if (far <= best && (variant === undefined || far < best)) [best, variant] = [far, choice.variant]
  }
  return variant
}

const distance = (a: number[], b: number[]) => a.reduce((sum, size, i) => sum + Math.abs(Math.log2(size / b[i])), 0)

/** Sides and epilogue in words; m, n, k and batches. */
function readShape(name: string): Shape {
  const [, sides, m, n, k, batches = '1', more] = /^(\S+) (\d+)×(\d+)×(\d+)(?: of (\d+))?(.*)$/.exec(name) ?? [
    '',
    name,
    '0',
    '0',
    '0',
    '0',
    '',
  ]
  return { kind: sides + more, sizes: [m, n, k, batches].map(Number) }
}
