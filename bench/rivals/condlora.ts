import { version } from 'condlora:build'
import { type Device, type OpenDeviceOptions, openDevice, type Recording } from '../../src/gpu'
import { elementwise, noGrad, Tensor } from '../../src/graph'
import { encoderConfig } from '../../src/models/config'
import { hostInputs, inputTensors, writeInputs } from '../../src/models/inputs'
import { classify, ModelForSequenceClassification } from '../../src/models/sequence_classification'
import { Pass } from '../../src/nn/pass'
import { attention } from '../../src/ops/attention'
import { convert, packedLayout } from '../../src/ops/conversion'
import { gelu } from '../../src/ops/gelu'
import { type Chooser, choosing, usual } from '../../src/ops/gemm_kernels'
import { layerNorm } from '../../src/ops/layer_norm'
import { matmul } from '../../src/ops/matmul'
import { softmax } from '../../src/ops/softmax'
import { getPeftModel, type PeftConfig } from '../../src/peft'
import { trainingArguments } from '../../src/train/arguments'
import { Engine } from '../../src/train/engine'
import { budgetOf, chooserOf, tune } from '../../src/train/tuning'
import type { Job, Method, Participant, WorkOf } from '../case'
import { attentionInputs } from '../cases/attention'
import { conversionInputs } from '../cases/conversion'
import { aShape, bShape, matmulInputs } from '../cases/matmul'
import { trainedNames } from '../cases/models'
import { multiplyAdd } from '../cases/roofline'
import { rowInputs } from '../cases/rows'
import copyKernel from '../kernels/copy.wgsl'
import multiplyAddKernel from '../kernels/multiply_add.wgsl'
import { adapter, type Batch, checkedSteps, configJson, layerNormEps, optimizer, startValues, tokensOf } from '../model'

/** This library, as its users run it: a list that is recorded once and replayed. */
export async function open(options: OpenDeviceOptions): Promise<Participant & { device: Device }> {
  const device = await openDevice({ log: () => {}, ...options })
  const half = device.features.has('shader-f16')
  return {
    device,
    version,
    half,
    experimental: options.experimental ? (await (await import('../../src/doctor/units')).checkUnits(device)).says : undefined,
    finish: () => device.sync(),
    jobs: {
      matmul: (work) => product(device, work),
      conversion: (work) => conversion(device, work),
      softmax: (work) => rows(device, work),
      layernorm: (work) => rows(device, work),
      gelu: (work) => rows(device, work),
      attention: (work) => heads(device, work),
      forward: (work) => forward(device, work),
      train: (work) => train(device, work),
      roofline: (work) => roofline(device, work),
      replay: (work) => replay(device, work),
      'half matmul': (work) => product(device, work),
      'half train': (work) => train(device, work),
    },
  }
}

/** Records `build` and replays it for each call. */
async function recorded(device: Device, build: () => Tensor[]): Promise<Job & { recording: Recording }> {
  const { recording, result } = await device.record('bench', build, (tensors) => tensors.map((t) => t.storage))
  return {
    recording,
    run: () => recording.replay(),
    read: () => Promise.all(result.map((t) => t.data())),
    dispose: () => recording.dispose(),
  }
}

/** As much as a training spends; a test lets it have longer. */
export const tuning = { budget: () => budgetOf(0, true) }

/** The same, with its products by the kernels that a training would take: on a GPU as the tuner finds them. */
async function tuned(device: Device, build: () => Tensor[]): Promise<Job> {
  let chooser: Chooser | null = null
  const taken = new Set<string>()
  const told: Chooser = (job) => {
    const variant = chooser?.(job) ?? usual(job)
    taken.add(variant)
    return variant
  }
  if (!device.software) {
    const record = async () => (await recorded(device, () => choosing(chooser, build))).recording.dispose()
    const found = await tune({ device, choose: (now) => void (chooser = now) }, { record, budget: tuning.budget() })
    chooser = chooserOf(found)
  }
  const job = await recorded(device, () => choosing(told, build))
  return { ...job, variant: [...taken].join(', ') }
}

function product(device: Device, work: WorkOf<'matmul'>): Promise<Job> {
  const { batch, transposeA, transposeB, half } = work
  const inputs = matmulInputs(work)
  const lead = batch > 1 ? [batch] : []
  const dtype = half ? 'f16' : 'f32'
  const a = Tensor.from(device, inputs.a, [...lead, ...aShape(work)], dtype)
  const b = Tensor.from(device, inputs.b, [...lead, ...bShape(work)], dtype)
  return tuned(device, () => [matmul(a, b, { transposeA, transposeB })])
}

function rows(device: Device, work: WorkOf<'softmax' | 'layernorm' | 'gelu'>): Promise<Job> {
  const inputs = rowInputs(work)
  const x = Tensor.from(device, inputs.x, [work.rows, work.columns])
  if (work.kind === 'softmax') return recorded(device, () => [softmax(x)])
  if (work.kind === 'gelu') return recorded(device, () => [gelu(x)])
  const [gamma, beta] = [inputs.gamma, inputs.beta].map((v) => Tensor.from(device, v))
  return recorded(device, () => [layerNorm(x, gamma, beta, layerNormEps)])
}

function heads(device: Device, work: WorkOf<'attention'>): Promise<Job> {
  const { batch, length, heads, d } = work
  const [q, k, v] = attentionInputs(work).map((x) => Tensor.from(device, x, [batch, length, heads * d]))
  return recorded(device, () => [attention(q, k, v, { heads })])
}

async function conversion(device: Device, work: WorkOf<'conversion'>): Promise<Job> {
  const { layers, n, r, backward } = work
  const inputs = conversionInputs(work)
  const stack = Tensor.from(device, inputs.weights, [layers, n, n])
  const weights = Array.from({ length: layers }, (_, l) => stack.view([n, n], l * n * n))
  const [thetaA, thetaB] = [inputs.thetaA, inputs.thetaB].map((x) => Tensor.from(device, x, [r, n]).requireGrad())
  const at = packedLayout(layers, r, n, n)
  const forward = () => convert(weights, thetaA, thetaB, 'code')
  if (backward) {
    const gradient = new Float32Array(at.size)
    for (let l = 0; l < layers; l++) {
      gradient.set(inputs.dA.subarray(l * r * n, (l + 1) * r * n), l * at.strideA)
      gradient.set(inputs.dB.subarray(l * r * n, (l + 1) * r * n), at.startB + l * at.strideB)
    }
    const [packed, seed] = [forward(), Tensor.from(device, gradient)]
    return tuned(device, () => {
      packed.backward(seed)
      const found = [thetaA.grad as Tensor, thetaB.grad as Tensor]
      thetaA.grad = thetaB.grad = null
      return found
    })
  }
  const job = await tuned(device, () => [noGrad(forward)])
  const read = async () => {
    const [packed] = await job.read()
    const part = (start: number, stride: number) => {
      const out = new Float32Array(layers * r * n)
      for (let l = 0; l < layers; l++) out.set(packed.subarray(start + l * stride, start + l * stride + r * n), l * r * n)
      return out
    }
    return [part(0, at.strideA), part(at.startB, at.strideB)]
  }
  return { ...job, read }
}

function seededModel(device: Device, { model: name, half }: Batch & { half?: boolean }): ModelForSequenceClassification {
  const model = new ModelForSequenceClassification(
    device,
    encoderConfig(configJson(name), name),
    name,
    undefined,
    half ? () => 'f16' : undefined,
  )
  for (const [path, tensor] of model.encoder.tensors) tensor.write(startValues(`roberta.${path}`, tensor.shape))
  for (const [path, tensor] of model.head.tensors) tensor.write(startValues(path, tensor.shape))
  return model
}

async function forward(device: Device, work: Batch): Promise<Job> {
  const model = seededModel(device, work)
  const host = hostInputs({ inputIds: tokensOf(work).ids, batch: work.batch }, model.config)
  const inputs = inputTensors(device, work.batch, work.length)
  const job = await tuned(device, () => [noGrad(() => classify(model, inputs, new Pass()))])
  return {
    ...job,
    run: async () => {
      writeInputs(inputs, host)
      await job.run()
      await job.read()
    },
  }
}

const configs: Record<Method, unknown> = {
  lora: { peftType: 'LORA', r: adapter.r, loraAlpha: adapter.alpha, targetModules: adapter.targets },
  condlora: { peftType: 'CONDLORA', r: adapter.r, loraAlpha: adapter.alpha, targetModules: adapter.targets },
  full: { peftType: 'FULL' },
}

async function train(device: Device, work: WorkOf<'train'>): Promise<Job> {
  const base = seededModel(device, work)
  const model = await getPeftModel(base, configs[work.method] as PeftConfig).catch((thrown: Error) => {
    throw /peftType/.test(thrown.message) ? new Error(`not yet: ${work.method} fine-tuning`) : thrown
  })
  for (const [name, tensor] of model.parameters.byName) tensor.write(startValues(name, tensor.shape))
  const { learningRate, weightDecay } = optimizer
  const { optimizer: adamw, program, ...engine } = new Engine(model, trainingArguments({ weightDecay, maxGradNorm: 0 }))
  const { ids, labels } = tokensOf(work)
  const inputs = hostInputs({ inputIds: ids, batch: work.batch }, base.config)
  const batch = { key: `${work.batch}×${work.length}`, size: work.batch, labels: [...labels], inputs }
  const losses: number[] = []
  // As a Trainer does on a GPU.
  const record = () => program.plan('first', batch)
  if (!device.software) program.choose(chooserOf(await tune(program, { record, budget: tuning.budget() })))
  return {
    run: async () => {
      await program.step([batch], learningRate, losses.length + 1)
      losses.push((await program.takeLosses()).lossSum)
    },
    read: async () => {
      // Moments lie as the parameters do, those with weight decay first.
      const [first] = await adamw.read()
      const norms = trainedNames(work.model, work.method).map((name) => {
        const at = model.parameters.places.get(name)
        return at === undefined ? Number.NaN : norm(first.subarray(at, at + model.parameters.get(name).size))
      })
      return [Float32Array.from(losses.slice(0, checkedSteps)), Float32Array.from(norms)]
    },
    dispose: () => {
      program.dispose()
      adamw.dispose()
      void engine
    },
  }
}

export const norm = (x: Float32Array) => Math.sqrt(x.reduce((sum, v) => sum + v * v, 0))

function roofline(device: Device, { what, size }: WorkOf<'roofline'>): Promise<Job> {
  const kernel = (op: string, shader: string, x: Tensor, words: number[], groups: number) => {
    const y = Tensor.empty(device, [size], op)
    const flops = what === 'copy' ? 0 : 2 * size * multiplyAdd.rounds * multiplyAdd.chains
    device.run({ op, shader, bind: [y.bind(), x.bind()], words, groups, flops })
    return y
  }
  if (what === 'multiply-add') {
    const factors = Tensor.from(device, [0.5, 0.25, 0, 0])
    return recorded(device, () => [kernel('multiply-add', multiplyAddKernel, factors, [], size / 64)])
  }
  const x = Tensor.from(
    device,
    Float32Array.from({ length: size }, (_, i) => i % 1000),
  )
  return recorded(device, () => [kernel('copy', copyKernel, x, [size / 4], size / 256)]).then((job) => ({
    ...job,
    read: async () => [await x.data(), ...(await job.read())],
  }))
}

/** Many small dispatches; a call ends when they are handed to the queue, which is what the program's own thread spends. */
async function replay(device: Device, { dispatches, recorded: once }: WorkOf<'replay'>): Promise<Job> {
  const one = Tensor.from(device, new Float32Array(64).fill(1))
  const sum = Tensor.from(device, new Float32Array(64))
  const add = () => {
    for (let i = 0; i < dispatches; i++) elementwise('bench', 'addTo', sum, [one])
  }
  const read = async () => [await sum.data()]
  const eager = () => {
    add()
    device.flush()
    return device.work.add(() => {})
  }
  if (!once) return { run: eager, read }
  const { recording } = await device.record('bench', add, () => [])
  return { run: () => recording.replay(), read, dispose: () => recording.dispose() }
}
