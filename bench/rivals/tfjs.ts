import type { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu'
import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-webgpu'
import '@tensorflow/tfjs-core/dist/register_all_gradients'
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

type Tensors = Record<string, tf.Tensor>

const noHalf = 'has no tensors of half floats'

/** TensorFlow.js with its WebGPU backend. */
export async function open(): Promise<Participant> {
  if (!(await tf.setBackend('webgpu'))) throw new Error('TensorFlow.js: its WebGPU backend did not start')
  await tf.ready()
  const backend = tf.backend() as WebGPUBackend
  return {
    version: tf.version_core,
    finish: () => {
      // It keeps dispatches back to submit them in bundles.
      if (backend.commandEncoder) {
        backend.endComputePassEncoder()
        backend.submitQueue()
      }
      return backend.device.queue.onSubmittedWorkDone()
    },
    jobs: { matmul: product, conversion, softmax: rows, layernorm: rows, gelu: rows, attention: heads, forward, train },
    cannot: { 'half matmul': noHalf, 'half train': noHalf },
  }
}

function repeated(compute: () => tf.Tensor[], inputs: tf.Tensor[]): Job {
  let results: tf.Tensor[] = []
  return {
    run: () => {
      tf.dispose(results)
      results = tf.tidy(compute)
    },
    read: () => Promise.all(results.map(async (t) => (await t.data()) as Float32Array)),
    dispose: () => tf.dispose([...results, ...inputs]),
  }
}

const tensor = (data: Float32Array, shape: readonly number[]) => tf.tensor(data, [...shape], 'float32')

function product(work: WorkOf<'matmul'>): Job {
  const inputs = matmulInputs(work)
  const lead = work.batch > 1 ? [work.batch] : []
  const [a, b] = [tensor(inputs.a, [...lead, ...aShape(work)]), tensor(inputs.b, [...lead, ...bShape(work)])]
  return repeated(() => [tf.matMul(a, b, work.transposeA, work.transposeB)], [a, b])
}

function conversion(work: WorkOf<'conversion'>): Job {
  const { layers, n, r, backward } = work
  const inputs = conversionInputs(work)
  const w = tensor(inputs.weights, [layers, n, n])
  if (backward) {
    const [da, db] = [tensor(inputs.dA, [layers, r, n]), tensor(inputs.dB, [layers, n, r])]
    return repeated(() => [tf.sum(tf.matMul(da, w), 0), tf.sum(tf.matMul(db, w, true), 0)], [w, da, db])
  }
  const [a, b] = [tensor(inputs.thetaA, [1, r, n]), tensor(inputs.thetaB, [1, r, n])]
  return repeated(() => [tf.matMul(a, w, false, true), tf.matMul(w, b, false, true)], [w, a, b])
}

function rows(work: WorkOf<'softmax' | 'layernorm' | 'gelu'>): Job {
  const inputs = rowInputs(work)
  const x = tensor(inputs.x, [work.rows, work.columns])
  if (work.kind === 'softmax') return repeated(() => [tf.softmax(x)], [x])
  if (work.kind === 'gelu') return repeated(() => [gelu(x)], [x])
  const [gamma, beta] = [tf.tensor(inputs.gamma), tf.tensor(inputs.beta)]
  return repeated(() => [layerNorm(x, gamma, beta)], [x, gamma, beta])
}

const gelu = (x: tf.Tensor) => tf.mul(tf.mul(x, 0.5), tf.add(tf.erf(tf.mul(x, Math.SQRT1_2)), 1))

function layerNorm(x: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor): tf.Tensor {
  const centred = tf.sub(x, tf.mean(x, -1, true))
  const variance = tf.mean(tf.square(centred), -1, true)
  return tf.add(tf.mul(tf.mul(centred, tf.rsqrt(tf.add(variance, layerNormEps))), gamma), beta)
}

function heads(work: WorkOf<'attention'>): Job {
  const { batch, length, heads, d } = work
  const [q, k, v] = attentionInputs(work).map((x) => tensor(x, [batch, length, heads * d]))
  return repeated(() => [attention(q, k, v, heads)], [q, k, v])
}

function attention(q: tf.Tensor, k: tf.Tensor, v: tf.Tensor, heads: number): tf.Tensor {
  const [batch, length, hidden] = q.shape
  const split = (x: tf.Tensor) => tf.transpose(tf.reshape(x, [batch, length, heads, hidden / heads]), [0, 2, 1, 3])
  const scores = tf.mul(tf.matMul(split(q), split(k), false, true), 1 / Math.sqrt(hidden / heads))
  return tf.reshape(tf.transpose(tf.matMul(tf.softmax(scores), split(v)), [0, 2, 1, 3]), [batch, length, hidden])
}

/** Logits [batch, 2]. */
function logits(t: Tensors, ids: tf.Tensor, work: Batch, method: Method | null): tf.Tensor {
  const { layers, heads, hidden } = models[work.model]
  const rowsOf = (x: tf.Tensor) => tf.reshape(x, [-1, x.shape.at(-1) as number])
  // tf.fused.matMul would compute the frozen weights' gradients too.
  const times = (x: tf.Tensor, w: tf.Tensor) => tf.matMul(rowsOf(x), w, false, true)
  const like = (y: tf.Tensor, x: tf.Tensor) => tf.reshape(y, [...x.shape.slice(0, -1), y.shape[1] as number])
  const dense = (x: tf.Tensor, path: string) => like(tf.add(times(x, t[`${path}.weight`]), t[`${path}.bias`]), x)
  const norm = (x: tf.Tensor, path: string) => layerNorm(x, t[`${path}.LayerNorm.weight`], t[`${path}.LayerNorm.bias`])
  const adapted = (x: tf.Tensor, path: string) => {
    const target = path.split('.').at(-1) as string
    if (!method || method === 'full' || !adapter.targets.includes(target)) return dense(x, path)
    const [a, b] =
      method === 'lora'
        ? [t[`${path}.lora_A.weight`], t[`${path}.lora_B.weight`]]
        : [
            tf.matMul(t[`conversion.attention.self.${target}.theta_A`], t[`${path}.weight`], false, true),
            tf.matMul(t[`${path}.weight`], t[`conversion.attention.self.${target}.theta_B`], false, true),
          ]
    return tf.add(dense(x, path), tf.mul(like(times(times(x, a), b), x), adapter.alpha / adapter.r))
  }
  const table = (kind: string) => t[`roberta.embeddings.${kind}_embeddings.weight`]
  const places = tf.slice(table('position'), [2, 0], [work.length, hidden])
  let x: tf.Tensor = tf.add(tf.add(tf.gather(table('word'), ids), places), table('token_type'))
  x = norm(x, 'roberta.embeddings')
  for (let l = 0; l < layers; l++) {
    const at = layerPath(l)
    const [q, k, v] = ['query', 'key', 'value'].map((part) => adapted(x, `${at}.attention.self.${part}`))
    x = norm(tf.add(dense(attention(q, k, v, heads), `${at}.attention.output.dense`), x), `${at}.attention.output`)
    x = norm(tf.add(dense(gelu(dense(x, `${at}.intermediate.dense`)), `${at}.output.dense`), x), `${at}.output`)
  }
  const first = tf.reshape(tf.slice(x, [0, 0, 0], [work.batch, 1, hidden]), [work.batch, hidden])
  return dense(tf.tanh(dense(first, 'classifier.dense')), 'classifier.out_proj')
}

const tensors = (shapes: Shapes): Tensors =>
  Object.fromEntries([...shapes].map(([name, shape]) => [name, tensor(startValues(name, shape), shape)]))
const idsOf = (work: Batch) => tf.tensor(tokensOf(work).ids, [work.batch, work.length], 'int32')

function forward(work: Batch): Job {
  const weights = tensors(baseShapes(work.model))
  const ids = idsOf(work)
  let result = new Float32Array()
  return {
    run: async () => {
      const out = tf.tidy(() => logits(weights, ids, work, null))
      result = (await out.data()) as Float32Array<ArrayBuffer>
      out.dispose()
    },
    read: async () => [result],
    dispose: () => tf.dispose([ids, ...Object.values(weights)]),
  }
}

function train(work: WorkOf<'train'>): Job {
  const { learningRate, weightDecay, beta1, beta2, eps } = optimizer
  const shapes = trainedShapes(work.model, work.method)
  const frozen = tensors(new Map([...baseShapes(work.model)].filter(([name]) => !shapes.has(name))))
  const trained = Object.fromEntries(Object.entries(tensors(shapes)).map(([name, t]) => [name, tf.variable(t, true, name)]))
  const variables = Object.values(trained)
  const ids = idsOf(work)
  const labels = tf.oneHot(tf.tensor(tokensOf(work).labels, [work.batch], 'int32'), 2)
  const adam = tf.train.adam(learningRate, beta1, beta2, eps)
  const loss = (): tf.Tensor => {
    const probabilities = tf.logSoftmax(logits({ ...frozen, ...trained }, ids, work, work.method))
    return tf.neg(tf.mean(tf.sum(tf.mul(probabilities, labels), -1)))
  }
  const losses: number[] = []
  return {
    run: async () => {
      const value = tf.tidy(() => {
        const { value, grads } = tf.variableGrads(loss, variables)
        // AdamW: the decay that tf.train.adam lacks.
        for (const [name, shape] of shapes) if (decays(shape)) trained[name].assign(tf.mul(trained[name], 1 - learningRate * weightDecay))
        adam.applyGradients(grads)
        return value
      })
      losses.push((await value.data())[0])
      value.dispose()
    },
    read: async () => {
      const moments = (adam as unknown as { accumulatedFirstMoment: { originalName: string; variable: tf.Variable }[] })
        .accumulatedFirstMoment
      const byName = new Map(moments.map((each) => [each.originalName.replace(/\/m$/, ''), each.variable]))
      const norms = trainedNames(work.model, work.method).map(async (name) => {
        const data = (await byName.get(name)?.data()) as Float32Array | undefined
        return data ? Math.sqrt(data.reduce((sum, x) => sum + x * x, 0)) : Number.NaN
      })
      return [Float32Array.from(losses.slice(0, checkedSteps)), Float32Array.from(await Promise.all(norms))]
    },
  }
}
