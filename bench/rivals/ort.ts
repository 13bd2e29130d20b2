import type * as Ort from 'onnxruntime-web/webgpu'
import { fromHalf, toHalf } from '../../src/io/half'
import type { Job, Participant, WorkOf } from '../case'
import { attentionInputs } from '../cases/attention'
import { conversionInputs } from '../cases/conversion'
import { aShape, bShape, matmulInputs } from '../cases/matmul'
import { rowInputs } from '../cases/rows'
import { type Batch, baseShapes, layerNormEps, layerPath, models, startValues, tokensOf } from '../model'
import { Graph } from './onnx'

type Provider = 'webgpu' | 'wasm'

// Its bundle with WebGPU has no threads in Node; the one for Node has no WebGPU.
let ort: Pick<typeof Ort, 'Tensor' | 'InferenceSession' | 'env'>

/** onnxruntime-web: inference of ONNX graphs, written by onnx.ts; inputs and outputs stay on the device. */
export async function open(provider: Provider): Promise<Participant> {
  ort = (provider === 'webgpu' ? await import('onnxruntime-web/webgpu') : await import('onnxruntime-web')) as unknown as typeof ort
  ort.env.logLevel = 'error'
  if (provider === 'webgpu') takeViews()
  // The device exists after the first session.
  const device = async () => (await ort.env.webgpu.device) as GPUDevice
  const run = (graph: Graph, outputs: Outputs, inputs: Inputs) => repeated(provider, graph, outputs, inputs)
  const noTraining = `onnxruntime-web ${ort.env.versions.web} does not train: it exports no TrainingSession`
  return {
    version: ort.env.versions.web ?? '',
    finish: async () => (provider === 'webgpu' ? (await device()).queue.onSubmittedWorkDone() : undefined),
    jobs: {
      matmul: (work) => product(work, run),
      'half matmul': (work) => product(work, run),
      conversion: (work) => conversion(work, run),
      softmax: (work) => rows(work, run),
      layernorm: (work) => rows(work, run),
      gelu: (work) => rows(work, run),
      attention: (work) => heads(work, run),
      forward: (work) => forward(work, provider),
    },
    cannot: { train: noTraining, 'half train': noTraining },
  }
}

type Outputs = [name: string, dims: readonly number[]][]
type Inputs = Record<string, [data: Float32Array, dims: readonly number[]]>
type Run = (graph: Graph, outputs: Outputs, inputs: Inputs) => Promise<Job>

/** Its WebAssembly memory is shared, and Dawn's binding for Node refuses views on shared memory. */
function takeViews(): void {
  const write = GPUQueue.prototype.writeBuffer
  GPUQueue.prototype.writeBuffer = function (buffer, offset, data: unknown, from = 0, size?: number) {
    const view = ArrayBuffer.isView(data) ? data : new Uint8Array(data as ArrayBuffer)
    const unit = 'BYTES_PER_ELEMENT' in view ? (view.BYTES_PER_ELEMENT as number) : 1
    const start = view.byteOffset + from * unit
    const bytes = new Uint8Array(view.buffer, start, size === undefined ? view.byteLength - from * unit : size * unit).slice()
    return write.call(this, buffer, offset, bytes)
  }
}

async function repeated(provider: Provider, graph: Graph, outputs: Outputs, inputs: Inputs): Promise<Job> {
  const { dtype } = graph
  const session = await ort.InferenceSession.create(graph.bytes(outputs), {
    executionProviders: [provider],
    ...(provider === 'webgpu' ? { preferredOutputLocation: 'gpu-buffer' as const } : {}),
  })
  const device = provider === 'webgpu' ? ((await ort.env.webgpu.device) as GPUDevice) : null
  const buffers: GPUBuffer[] = []
  const place = (data: Float32Array, dims: readonly number[]): Ort.Tensor => {
    const numbers = (dtype === 'float16' ? toHalf(data) : data) as Float32Array<ArrayBuffer> | Uint16Array<ArrayBuffer>
    if (!device) return new ort.Tensor(dtype, numbers, dims)
    const buffer = device.createBuffer({ size: Math.ceil(numbers.byteLength / 16) * 16, usage: 0x80 | 0x8 | 0x4 })
    device.queue.writeBuffer(buffer, 0, numbers)
    buffers.push(buffer)
    return ort.Tensor.fromGpuBuffer(buffer, { dataType: dtype, dims: [...dims] })
  }
  const feeds = Object.fromEntries(Object.entries(inputs).map(([name, [data, dims]]) => [name, place(data, dims)]))
  let results: Record<string, Ort.Tensor> = {}
  const drop = () => {
    for (const t of Object.values(results)) t.dispose()
  }
  return {
    run: async () => {
      drop()
      results = await session.run(feeds)
    },
    read: async () => {
      const data = await Promise.all(outputs.map(([name]) => results[name].getData()))
      return data.map((d) => (d instanceof Uint16Array ? fromHalf(d) : Float32Array.from(d)))
    },
    dispose: () => {
      drop()
      for (const buffer of buffers) buffer.destroy()
      void session.release()
    },
  }
}

function product(work: WorkOf<'matmul'>, run: Run): Promise<Job> {
  const { m, n, batch, transposeA, transposeB, half } = work
  const { a, b } = matmulInputs(work)
  const lead = batch > 1 ? [batch] : []
  const [aDims, bDims] = [
    [...lead, ...aShape(work)],
    [...lead, ...bShape(work)],
  ]
  const graph = new Graph(half ? 'float16' : 'float32')
  const inputs = [graph.input('a', aDims), graph.input('b', bDims)]
  const flip = (x: string) => graph.node('Transpose', [x], { perm: [0, 2, 1] })
  const y =
    batch === 1
      ? graph.node('Gemm', inputs, { transA: Number(transposeA), transB: Number(transposeB) })
      : graph.node('MatMul', [transposeA ? flip('a') : 'a', transposeB ? flip('b') : 'b'])
  return run(graph, [[y, [...lead, m, n]]], { a: [a, aDims], b: [b, bDims] })
}

function conversion(work: WorkOf<'conversion'>, run: Run): Promise<Job> {
  const { layers, n, r, backward } = work
  const { weights, thetaA, thetaB, dA, dB } = conversionInputs(work)
  const graph = new Graph()
  const w = graph.input('w', [layers, n, n])
  const flip = (x: string) => graph.node('Transpose', [x], { perm: [0, 2, 1] })
  if (backward) {
    const [da, db] = [graph.input('da', [layers, r, n]), graph.input('db', [layers, n, r])]
    const axes = graph.constant('axes', BigInt64Array.of(0n), [1])
    const sum = (x: string) => graph.node('ReduceSum', [x, axes], { keepdims: 0 })
    const outputs: Outputs = [sum(graph.node('MatMul', [da, w])), sum(graph.node('MatMul', [flip(db), w]))].map((name) => [name, [r, n]])
    return run(graph, outputs, { w: [weights, [layers, n, n]], da: [dA, [layers, r, n]], db: [dB, [layers, n, r]] })
  }
  const [a, b] = [graph.input('a', [r, n]), graph.input('b', [r, n])]
  const A = graph.node('MatMul', [a, flip(w)])
  const B = graph.node('MatMul', [w, graph.node('Transpose', [b], { perm: [1, 0] })])
  const outputs: Outputs = [
    [A, [layers, r, n]],
    [B, [layers, n, r]],
  ]
  return run(graph, outputs, { w: [weights, [layers, n, n]], a: [thetaA, [r, n]], b: [thetaB, [r, n]] })
}

function rows(work: WorkOf<'softmax' | 'layernorm' | 'gelu'>, run: Run): Promise<Job> {
  const { x, gamma, beta } = rowInputs(work)
  const dims = [work.rows, work.columns]
  const graph = new Graph()
  const input = graph.input('x', dims)
  const inputs: Inputs = { x: [x, dims] }
  if (work.kind === 'layernorm') {
    for (const [name, data] of Object.entries({ gamma, beta })) inputs[graph.input(name, [work.columns])] = [data, [work.columns]]
    const y = graph.node('LayerNormalization', [input, 'gamma', 'beta'], { axis: -1, epsilon: { float: layerNormEps } })
    return run(graph, [[y, dims]], inputs)
  }
  const y = work.kind === 'softmax' ? graph.node('Softmax', [input], { axis: -1 }) : graph.node('Gelu', [input])
  return run(graph, [[y, dims]], inputs)
}

function heads(work: WorkOf<'attention'>, run: Run): Promise<Job> {
  const { batch, length, heads, d } = work
  const dims = [batch, length, heads * d]
  const graph = new Graph()
  const names = ['q', 'k', 'v'].map((name) => graph.input(name, dims))
  const y = attention(graph, names, work)
  return run(graph, [[y, dims]], Object.fromEntries(attentionInputs(work).map((x, i) => [names[i], [x, dims]])))
}

function attention(graph: Graph, [q, k, v]: string[], { batch, length, heads, d }: Omit<WorkOf<'attention'>, 'kind'>): string {
  const shape = (name: string, dims: number[]) => graph.constant(`${name} of ${q}`, BigInt64Array.from(dims, BigInt), [dims.length])
  const [apart, together] = [shape('heads', [batch, length, heads, d]), shape('hidden', [batch, length, heads * d])]
  const split = (x: string, perm: number[]) => graph.node('Transpose', [graph.node('Reshape', [x, apart])], { perm })
  const scale = graph.constant(`scale of ${q}`, Float32Array.of(1 / Math.sqrt(d)), [])
  const scores = graph.node('Mul', [graph.node('MatMul', [split(q, [0, 2, 1, 3]), split(k, [0, 2, 3, 1])]), scale])
  const mixed = graph.node('MatMul', [graph.node('Softmax', [scores], { axis: -1 }), split(v, [0, 2, 1, 3])])
  return graph.node('Reshape', [graph.node('Transpose', [mixed], { perm: [0, 2, 1, 3] }), together])
}

async function forward(work: Batch, provider: Provider): Promise<Job> {
  const graph = encoder(work)
  const session = await ort.InferenceSession.create(graph.bytes([['logits', [work.batch, 2]]]), { executionProviders: [provider] })
  const ids = new ort.Tensor('int32', tokensOf(work).ids, [work.batch, work.length])
  let result = new Float32Array()
  return {
    run: async () => {
      const { logits } = await session.run({ ids })
      result = Float32Array.from((await logits.getData()) as Float32Array)
    },
    read: async () => [result],
    dispose: () => void session.release(),
  }
}

function encoder(work: Batch): Graph {
  const { batch, length, model } = work
  const { layers, heads, hidden } = models[model]
  const graph = new Graph()
  for (const [name, shape] of baseShapes(model)) {
    const values = startValues(name, shape)
    const dense = shape.length === 2 && !name.includes('embeddings')
    graph.constant(name, dense ? transposed(values, shape) : values, dense ? [...shape].reverse() : shape)
  }
  const dense = (x: string, path: string) => graph.node('Add', [graph.node('MatMul', [x, `${path}.weight`]), `${path}.bias`])
  const norm = (x: string, path: string) =>
    graph.node('LayerNormalization', [x, `${path}.LayerNorm.weight`, `${path}.LayerNorm.bias`], {
      axis: -1,
      epsilon: { float: layerNormEps },
    })
  const table = (kind: string) => `roberta.embeddings.${kind}_embeddings.weight`
  const positions = graph.constant(
    'positions',
    Int32Array.from({ length }, (_, i) => i + 2),
    [length],
  )
  const ids = graph.input('ids', [batch, length], 'int32')
  const places = graph.node('Add', [graph.node('Gather', [table('position'), positions]), table('token_type')])
  let x = norm(graph.node('Add', [graph.node('Gather', [table('word'), ids]), places]), 'roberta.embeddings')
  for (let l = 0; l < layers; l++) {
    const at = layerPath(l)
    const qkv = ['query', 'key', 'value'].map((part) => dense(x, `${at}.attention.self.${part}`))
    const mixed = attention(graph, qkv, { batch, length, heads, d: hidden / heads })
    x = norm(graph.node('Add', [dense(mixed, `${at}.attention.output.dense`), x]), `${at}.attention.output`)
    const wide = graph.node('Gelu', [dense(x, `${at}.intermediate.dense`)])
    x = norm(graph.node('Add', [dense(wide, `${at}.output.dense`), x]), `${at}.output`)
  }
  const first = graph.node('Gather', [x, graph.constant('first', Int32Array.of(0), [])], { axis: 1 })
  const logits = dense(graph.node('Tanh', [dense(first, 'classifier.dense')]), 'classifier.out_proj')
  graph.named('logits', logits)
  return graph
}

function transposed(values: Float32Array, [rows, columns]: readonly number[]): Float32Array {
  const out = new Float32Array(values.length)
  for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) out[j * rows + i] = values[i * columns + j]
  return out
}
