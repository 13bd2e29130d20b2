import { shaders } from 'condlora:build'
import type { Constants } from '../../src/doctor/check'
import { allSubjects, kernelName } from '../../src/doctor/subjects'
import type { Device, Dispatch } from '../../src/gpu'
import { accumulate, elementwise, Tensor } from '../../src/graph'
import * as ops from '../../src/ops'
import { gemm } from '../../src/ops/gemm'
import { choosing, type Job, lanesOf, narrowTiles } from '../../src/ops/gemm_kernels'
import { deviceUnits, trustUnits } from '../../src/ops/gemm_units'
import { variants } from '../../src/ops/gemm_variants'
import { inverseRowNorms } from '../../src/ops/row_norm'
import { AdamW } from '../../src/train'
import { assert, openTestDevice, test } from '../harness'

/** What `body` would dispatch on a processor, on one without subgroups, and on a GPU. Nothing runs. */
function dispatched(device: Device, body: (device: Device) => void): Dispatch[] {
  const flags = device as { software: boolean; features: ReadonlySet<string> }
  const { software, features } = flags
  const own = device.run
  const all = new Set([...features, 'shader-f16'])
  const seen: Dispatch[] = []
  device.run = (d) => void seen.push(d)
  try {
    for (const [processor, has] of [
      [true, all],
      [true, new Set<string>()],
      [false, all],
    ] as const) {
      flags.software = processor
      flags.features = has
      body(device)
    }
  } finally {
    Object.assign(flags, { software, features })
    device.run = own
  }
  return seen
}

const zeros = (device: Device, ...shape: number[]) => Tensor.empty(device, shape, 'test').requireGrad()
const halfZeros = (device: Device, ...shape: number[]) => Tensor.empty(device, shape, 'test', 'f16').requireGrad()
/** Makers of the tensors that ops of this device take for activations. */
const activations = ({ features }: Device) => (features.has('shader-f16') ? [zeros, halfZeros] : [zeros])
const whole = (device: Device, ...shape: number[]) => Tensor.empty(device, shape, 'test', 'i32')
const back = (y: Tensor) => y.backward(Tensor.empty(y.device, y.shape, 'test'))

function pointwise(device: Device): void {
  const rng = { state: Tensor.empty(device, [4], 'test', 'u32'), stream: 0 }
  for (const n of [7, 8, 16]) {
    const x = zeros(device, 3, n)
    back(ops.mse(x, Tensor.empty(device, [3, n], 'test')))
    back(x.view([n], 64 * 0))
    accumulate(x, x)
    elementwise('test', 'addTo', x, [x])
    elementwise('test', 'copy', x, [x])
    for (const make of activations(device)) {
      const x = make(device, 3, n)
      for (const op of [ops.tanh, ops.relu, ops.gelu]) back(op(x))
      for (const y of [ops.gelu(x, { approximate: 'tanh' }), ops.dropout(x, 0.1, rng), ops.scale(x, 2), ops.sum(x)]) back(y)
      ops.sumRows('test', x, n)
      for (const op of [ops.add, ops.sub, ops.mul])
        for (const other of activations(device)) for (const b of [other(device, 3, n), other(device, n)]) back(op(x, b))
      back(ops.firstToken(make(device, 2, 3, n)))
    }
  }
}

function rows(device: Device): void {
  const rng = { state: Tensor.empty(device, [4], 'test', 'u32'), stream: 0 }
  for (const n of [7, 8, 16]) {
    for (const make of activations(device)) {
      const x = make(device, 3, n)
      back(ops.layerNorm(x, zeros(device, n), zeros(device, n)))
      for (const dropout of [null, { p: 0.1, rng }])
        back(ops.layerNorm(x, zeros(device, n), zeros(device, n), 1e-5, { h: make(device, 3, n), dropout }))
    }
    for (const mask of [null, whole(device, 3, n)]) back(ops.softmax(zeros(device, 3, n), { mask }))
    for (const reduction of ['mean', 'sum'] as const) back(ops.crossEntropy(zeros(device, 3, n), whole(device, 3), { reduction }))
  }
  for (const make of activations(device))
    inverseRowNorms(make(device, 5, 7), { A: zeros(device, 2, 7), B: zeros(device, 5, 2), scaling: 1 }, zeros(device, 5))
  const [runs, order] = [whole(device, 5, 3), whole(device, 5)]
  for (const first of activations(device)) {
    back(ops.embedding(first(device, 9, 4), whole(device, 5), { runs, order }))
    for (const second of activations(device))
      back(ops.embeddings([first, second].map((make) => ({ table: make(device, 9, 4), ids: whole(device, 5), runs: { runs, order } }))))
  }
}

/** Large tiles, with sizes that they know too, with gelu after them too; a processor takes none of these. */
function byBlocks(device: Device, make: typeof zeros): void {
  for (const side of device.software ? [] : [8, 16]) {
    const n = 8 * side + 12
    for (const variant of ['blocks', 'ahead', 'baked-blocks', 'baked-ahead'].map((kernel) => `${kernel}-${side}`))
      choosing(
        ({ k }) => (k === 20 ? variant : undefined),
        () => {
          ops.matmul(make(device, 4, 20), make(device, 20, n))
          const layer = (out: number, inputs: number) => ({ weight: make(device, out, inputs), bias: zeros(device, out) })
          for (const approximate of ['none', 'tanh'] as const)
            ops.feedForward(make(device, 4, 20), layer(n, 20), layer(4, n), { approximate })
        },
      )
  }
}

function products(device: Device): void {
  for (const make of activations(device)) {
    for (const [m, n, k] of [
      [16, 16, 16],
      [32, 32, 32],
      [16, 19, 16],
      [32, 19, 32],
      [8, 32, 8],
      [8, 32, 12],
      [32, 8, 32],
      [4, 4, 4],
      [7, 5, 3],
    ])
      for (const transposeA of [false, true])
        for (const transposeB of [false, true]) {
          const [a, b] = [transposeA ? [k, m] : [m, k], transposeB ? [n, k] : [k, n]].map((shape) => make(device, ...shape))
          back(ops.matmul(a, b, { transposeA, transposeB }))
          // C's rows need not begin at a vec4.
          const matrix = (tensor: Tensor, transposed: boolean) => ({ tensor, rowStride: tensor.shape[1], transposed })
          const c = { tensor: make(device, m, n + 1), rowStride: n + 1 }
          gemm({ op: 'test', a: matrix(a, transposeA), b: matrix(b, transposeB), c, m, n, k })
        }
    byBlocks(device, make)
    // As a tuner may choose.
    for (const [m, n] of device.software
      ? []
      : [
          [36, 8],
          [36, 12],
          [8, 36],
          [12, 36],
        ])
      choosing(
        (job) => narrowTiles(job)[0],
        () => ops.matmul(make(device, m, 4), make(device, 4, n)),
      )
    const inParts = (job: Job) => variants(job).find((name) => name.startsWith('split'))
    choosing(inParts, () => ops.matmul(make(device, 4, 128), make(device, 128, 4)))
    // Tiles enough for a GPU.
    for (const size of [64, 128]) back(ops.matmul(make(device, 192, size, 4), make(device, 192, 4, size)))
  }
  const dropout = { p: 0.1, rng: { state: Tensor.empty(device, [4], 'test', 'u32'), stream: 0 } }
  for (const make of activations(device)) {
    const [q, k, v] = [0, 1, 2].map(() => make(device, 2, 3, 8))
    back(ops.attention(q, k, v, { heads: 2, mask: whole(device, 2, 3), dropout }))
  }
}

/** Last: once they are trusted, a GPU's usual choice takes them. */
function byUnits(device: Device): void {
  if (deviceUnits(device).length) trustUnits(device)
  for (const make of activations(device))
    for (const side of deviceUnits(device).flatMap(({ sides }) => sides))
      for (const transpose of [{}, { transposeA: true }, { transposeB: true }]) {
        const onUnits = (job: Job) => variants(job).find((name) => name === `units-${side}`)
        choosing(onUnits, () => ops.matmul(make(device, 64, 64), make(device, 64, 64), transpose))
      }
}

function training(device: Device): void {
  const values = zeros(device, 70)
  for (const scaled of [false, true])
    new AdamW(device, [{ values, gradients: zeros(device, 70), start: 0, count: 70 }], { scaled }).record()
  for (const form of ['code', 'rectangular'] as const)
    back(ops.convert([zeros(device, 5, 5)], zeros(device, 2, 5), zeros(device, 2, 5), form))
}

/** The file of each dispatch's kernel. */
async function filesOf(seen: Dispatch[]): Promise<string[]> {
  const files = new Map(Object.entries(shaders).map(([file, source]) => [source, file]))
  return Promise.all(seen.map(async ({ shader }) => files.get(typeof shader === 'string' ? shader : (await shader()).default) ?? 'unknown'))
}

/** Column sums are in parts of any number of rows, attention's rows of any width, and any operand of a product may be in half floats. */
function formOf(file: string, constants: Constants | undefined): string {
  const { PER_PART, QUADS, OWNED, TA, TB, TC, TZ, ...others } = constants ?? {}
  if (TA ?? TB ?? TC ?? TZ) others.half = true
  const sorted = Object.entries(others).sort(([a], [b]) => (a < b ? -1 : 1))
  return kernelName(file, 'main', Object.fromEntries(sorted))
}

test('what ops dispatch, on processors and on GPUs, is what the doctor checks: no form more, none less', async () => {
  const device = await openTestDevice({ cap: { maxStorageBufferBindingSize: 128 << 20 } })
  const seen = [pointwise, rows, products, training, byUnits].flatMap((body) => dispatched(device, body))
  assert.ok(seen.every((d) => (d.entry ?? 'main') === 'main'))
  const files = await filesOf(seen)
  const used = new Set(seen.map((d, i) => formOf(files[i], d.constants)))
  const checked = new Set(allSubjects(device).map((s) => formOf(s.file, s.constants)))
  assert.equal(
    [...used].filter((name) => !checked.has(name)),
    [],
    'used, never checked',
  )
  const here = new Set(
    allSubjects(device)
      .filter((s) => !s.skip)
      .map((s) => formOf(s.file, s.constants)),
  )
  const idle = [...here].filter((name) => !used.has(name))
  assert.equal(idle, [], 'checked, never used')
  device.destroy()
})

test('the forms that are checked for this kind of device are those that its ops take', async () => {
  const device = await openTestDevice()
  const own = device.run
  const seen: Dispatch[] = []
  device.run = (d) => void seen.push(d)
  try {
    for (const body of [pointwise, rows, products, training]) body(device)
  } finally {
    device.run = own
  }
  const files = await filesOf(seen)
  const used = new Set(seen.map((d, i) => formOf(files[i], d.constants)))
  const short = new Set(allSubjects(device, true).map((s) => formOf(s.file, s.constants)))
  for (const name of used) assert.ok(short.has(name), name)
  const other = allSubjects(device).filter((s) => !short.has(formOf(s.file, s.constants)))
  assert.ok(other.length > 20, 'the other kind of device has forms of its own')
  assert.ok(!lanesOf(device) || [...used].some((name) => name.startsWith('matmul_lanes')))
})
