import * as jax from '@jax-js/jax'
import type { Job, Method, Participant, WorkOf } from '../case'
import { attentionInputs } from '../cases/attention'
import { conversionInputs } from '../cases/conversion'
import { aShape, bShape, matmulInputs } from '../cases/matmul'
import { trainedNames } from '../cases/models'
import { rowInputs } from '../cases/rows'
import {
  adapter,
  type Batch,
  baseShapes,
  checkedSteps,
  decays,
  layerNormEps,
  layerPath,
  models,
  optimizer,
  type Shapes,
  startValues,
  tokensOf,
  trainedShapes,
} from '../model'

// Arrays are owned: whoever is given one gives it back; `.ref` keeps it.
type Array = jax.Array
const { numpy: np, nn, jit } = jax
type Tensors = Record<string, Array>

/** jax-js: operators and forward under `jit`, the gradient eager, since `jit` around it is slower there. */
export async function open(backend: 'webgpu' | 'wasm'): Promise<Participant> {
  const found = await jax.init(backend)
  if (!found.includes(backend)) throw new Error(`jax-js offers ${found.join(', ')}, not ${backend}`)
  jax.defaultDevice(backend)
  return {
    version: '0.1.25',
    finish: () => Promise.resolve(backend === 'webgpu' ? jax.getWebGPUDevice().queue.onSubmittedWorkDone() : undefined),
    jobs: {
      ...{ matmul: product, conversion, softmax: rows, layernorm: rows, gelu: rows, attention: heads, forward, train },
      'half matmul': product,
    },
    cannot: { 'half train': 'has half floats, and neither autocast nor loss scaling: each operator of the model would be cast by hand' },
  }
}

const array = (data: Float32Array | Int32Array, shape: readonly number[]) =>
  np.array(data as Float32Array<ArrayBuffer>, { shape: [...shape] })
const numbersOf = async (x: Array) => (await x.data()) as Float32Array

/** A job that calls a compiled function on the same inputs again and again. */
function repeated(compute: (...inputs: Array[]) => Array[], inputs: Array[]): Job {
  const compiled = jit(compute)
  let results: Array[] = []
  const drop = () => results.forEach((r) => r.dispose())
  return {
    run: async () => {
      drop()
      results = compiled(...inputs.map((x) => x.ref)) as Array[]
      await jax.blockUntilReady(results)
    },
    read: () => Promise.all(results.map((r) => numbersOf(r.ref.astype('float32')))),
    dispose: () => {
      drop()
      for (const x of inputs) x.dispose()
      compiled.dispose()
    },
  }
}

function product(work: WorkOf<'matmul'>): Job {
  const { batch, transposeA, transposeB, half } = work
  const { a, b } = matmulInputs(work)
  const lead = batch > 1 ? [batch] : []
  const flip = (x: Array) => np.matrixTranspose(x)
  return repeated(
    (x, y) => [np.matmul(transposeA ? flip(x) : x, transposeB ? flip(y) : y)],
    [array(a, [...lead, ...aShape(work)]), array(b, [...lead, ...bShape(work)])].map((x) => (half ? x.astype('float16') : x)),
  )
}

function conversion(work: WorkOf<'conversion'>): Job {
  const { layers, n, r, backward } = work
  const { weights, thetaA, thetaB, dA, dB } = conversionInputs(work)
  const w = array(weights, [layers, n, n])
  if (backward)
    return repeated(
      (w, da, db) => [np.matmul(da, w.ref).sum(0), np.matmul(np.matrixTranspose(db), w).sum(0)],
      [w, array(dA, [layers, r, n]), array(dB, [layers, n, r])],
    )
  return repeated(
    // Without the leading 1 jax-js 0.1.25 gives [r, layers, n].
    (w, a, b) => [np.matmul(a.reshape([1, r, n]), np.matrixTranspose(w.ref)), np.matmul(w, np.matrixTranspose(b))],
    [w, array(thetaA, [r, n]), array(thetaB, [r, n])],
  )
}

function rows(work: WorkOf<'softmax' | 'layernorm' | 'gelu'>): Job {
  const { x, gamma, beta } = rowInputs(work)
  const input = array(x, [work.rows, work.columns])
  if (work.kind === 'softmax') return repeated((x) => [nn.softmax(x, -1)], [input])
  if (work.kind === 'gelu') return repeated((x) => [gelu(x)], [input])
  return repeated((x, g, b) => [layerNorm(x, g, b)], [input, array(gamma, [work.columns]), array(beta, [work.columns])])
}

const gelu = (x: Array) => nn.gelu(x, { approximate: false })

function layerNorm(x: Array, gamma: Array, beta: Array): Array {
  const centred = x.ref.sub(x.mean(-1, { keepdims: true }))
  const variance = np.square(centred.ref).mean(-1, { keepdims: true })
  return centred
    .div(np.sqrt(variance.add(layerNormEps)))
    .mul(gamma)
    .add(beta)
}

function heads({ batch, length, heads, d }: WorkOf<'attention'>): Job {
  const inputs = attentionInputs({ kind: 'attention', batch, length, heads, d }).map((x) => array(x, [batch, length, heads * d]))
  return repeated((q, k, v) => [attention(q, k, v, heads)], inputs)
}

function attention(q: Array, k: Array, v: Array, heads: number): Array {
  const [batch, length, hidden] = q.shape
  const split = (x: Array, order: number[]) => np.transpose(x.reshape([batch, length, heads, hidden / heads]), order)
  const scores = np.matmul(split(q, [0, 2, 1, 3]), split(k, [0, 2, 3, 1])).mul(1 / Math.sqrt(hidden / heads))
  const mixed = np.matmul(nn.softmax(scores, -1), split(v, [0, 2, 1, 3]))
  return np.transpose(mixed, [0, 2, 1, 3]).reshape([batch, length, hidden])
}

/** Logits [batch, 2]. Owns `t`. */
function logits(t: Tensors, ids: Array, work: Batch, method: Method | null): Array {
  const { layers, heads, hidden } = models[work.model]
  const get = (name: string) => t[name].ref
  const dense = (x: Array, path: string) => np.matmul(x, np.matrixTranspose(get(`${path}.weight`))).add(get(`${path}.bias`))
  const norm = (x: Array, path: string) => layerNorm(x, get(`${path}.LayerNorm.weight`), get(`${path}.LayerNorm.bias`))
  const scaling = adapter.alpha / adapter.r
  const adapted = (x: Array, path: string) => {
    const target = path.split('.').at(-1) as string
    if (!method || method === 'full' || !adapter.targets.includes(target)) return dense(x, path)
    let [a, b]: Array[] = []
    if (method === 'lora') [a, b] = [np.matrixTranspose(get(`${path}.lora_A.weight`)), np.matrixTranspose(get(`${path}.lora_B.weight`))]
    else {
      const [thetaA, thetaB] = ['A', 'B'].map((x) => get(`conversion.attention.self.${target}.theta_${x}`))
      // A = Θa·Wᵀ and B = W·Θbᵀ; their transposes are what the products below take.
      a = np.matmul(get(`${path}.weight`), np.matrixTranspose(thetaA))
      b = np.matmul(thetaB, np.matrixTranspose(get(`${path}.weight`)))
    }
    return dense(x.ref, path).add(np.matmul(np.matmul(x, a), b).mul(scaling))
  }
  const table = (kind: string) => get(`roberta.embeddings.${kind}_embeddings.weight`)
  const positions = np.arange(work.length).add(2).astype(np.int32)
  let x = np
    .take(table('word'), ids, 0)
    .add(np.take(table('position'), positions, 0))
    .add(table('token_type'))
  x = norm(x, 'roberta.embeddings')
  for (let l = 0; l < layers; l++) {
    const at = layerPath(l)
    const self = (part: string) => adapted(x.ref, `${at}.attention.self.${part}`)
    const mixed = attention(self('query'), self('key'), self('value'), heads)
    x = norm(dense(mixed, `${at}.attention.output.dense`).add(x), `${at}.attention.output`)
    x = norm(dense(gelu(dense(x.ref, `${at}.intermediate.dense`)), `${at}.output.dense`).add(x), `${at}.output`)
  }
  const first = np.take(x, np.array([0], { dtype: np.int32 }), 1).reshape([work.batch, hidden])
  const result = dense(np.tanh(dense(first, 'classifier.dense')), 'classifier.out_proj')
  for (const name in t) t[name].dispose()
  return result
}

const tensors = (shapes: Shapes): Tensors =>
  Object.fromEntries([...shapes].map(([name, shape]) => [name, array(startValues(name, shape), shape)]))
const kept = (t: Tensors): Tensors => Object.fromEntries(Object.entries(t).map(([name, x]) => [name, x.ref]))

function forward(work: Batch): Job {
  const weights = tensors(baseShapes(work.model))
  const ids = array(tokensOf(work).ids, [work.batch, work.length])
  const compiled = jit((t: Tensors, ids: Array) => logits(t, ids, work, null))
  let result = new Float32Array()
  return {
    run: async () => {
      result = (await numbersOf(compiled(kept(weights), ids.ref) as Array)) as Float32Array<ArrayBuffer>
    },
    read: async () => [result],
  }
}

function train(work: WorkOf<'train'>): Job {
  const shapes = trainedShapes(work.model, work.method)
  let trained = tensors(shapes)
  const frozen = tensors(new Map([...baseShapes(work.model)].filter(([name]) => !shapes.has(name))))
  const zeros = () => Object.fromEntries([...shapes].map(([name, shape]) => [name, np.zeros([...shape])]))
  let [m, v]: Tensors[] = [zeros(), zeros()]
  const { ids, labels } = tokensOf(work)
  const [tokens, classes] = [array(ids, [work.batch, work.length]), array(labels, [work.batch])]
  const loss = (t: Tensors, frozen: Tensors, ids: Array, labels: Array) => {
    const logProbabilities = nn.logSoftmax(logits({ ...frozen, ...t }, ids, work, work.method), -1)
    return logProbabilities
      .mul(nn.oneHot(labels, 2))
      .sum()
      .mul(-1 / work.batch)
  }
  const gradient = jax.valueAndGrad(loss)
  const update = jit((p: Tensors, g: Tensors, m: Tensors, v: Tensors, scale: Array) => adamw(p, g, m, v, scale, shapes))
  const losses: number[] = []
  return {
    run: async () => {
      const step = losses.length + 1
      const [value, gradients] = gradient(kept(trained), kept(frozen), tokens.ref, classes.ref) as [Array, Tensors]
      const scale = np.array([1 / (1 - optimizer.beta1 ** step), 1 / (1 - optimizer.beta2 ** step)])
      ;[trained, m, v] = update(trained, gradients, m, v, scale) as unknown as [Tensors, Tensors, Tensors]
      losses.push((await numbersOf(value))[0])
      await jax.blockUntilReady([trained, m, v])
    },
    read: async () => {
      const norms = trainedNames(work.model, work.method).map(async (name) => {
        const data = await numbersOf(m[name].ref)
        return Math.sqrt(data.reduce((sum, x) => sum + x * x, 0))
      })
      return [Float32Array.from(losses.slice(0, checkedSteps)), Float32Array.from(await Promise.all(norms))]
    },
  }
}

/** Owns all it is given. `scale`: 1/(1 − βᵗ) for both moments. */
function adamw(p: Tensors, g: Tensors, m: Tensors, v: Tensors, scale: Array, shapes: Shapes): [Tensors, Tensors, Tensors] {
  const { learningRate: lr, weightDecay, beta1, beta2, eps } = optimizer
  const next: [Tensors, Tensors, Tensors] = [{}, {}, {}]
  const at = (i: number) => scale.ref.mul(np.array(i ? [0, 1] : [1, 0])).sum()
  for (const [name, shape] of shapes) {
    const first = m[name].mul(beta1).add(g[name].ref.mul(1 - beta1))
    const second = v[name].mul(beta2).add(np.square(g[name]).mul(1 - beta2))
    const change = first.ref
      .mul(at(0))
      .div(np.sqrt(second.ref.mul(at(1))).add(eps))
      .mul(lr)
    next[0][name] = p[name].mul(decays(shape) ? 1 - lr * weightDecay : 1).sub(change)
    next[1][name] = first
    next[2][name] = second
  }
  scale.dispose()
  return next
}
