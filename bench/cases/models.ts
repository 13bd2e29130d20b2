import { type Case, distance, type Method, type WorkOf } from '../case'
import { type Batch, forwardFlops, type ModelName, stepFlops, trainedShapes } from '../model'
import references from '../reference.json' with { type: 'json' }
import { halfLimit } from './matmul'

interface Reference {
  logits?: number[]
  /** Of the checked steps. */
  losses?: number[]
  /** ‖first moment‖ of each trained tensor after them. */
  moments?: Record<string, number>
}

const titles: Record<ModelName, string> = {
  'roberta-mini': 'roberta-mini',
  minilm: '6×384',
  'roberta-base': 'RoBERTa-base',
  tiny: 'tiny',
}
const titleOf = ({ model, batch, length }: Batch) => `${titles[model]} ${batch}×${length}`

/** What float64 PyTorch gave (reference.py). */
function referenceOf(what: string, { model, batch, length }: Batch): Reference {
  const key = `${what} ${model} ${batch}x${length}`
  const found = (references as Record<string, Reference>)[key]
  if (!found) throw new Error(`reference.json has no ${JSON.stringify(key)}: run reference.py`)
  return found
}

export function forward(batch: Batch): Case<WorkOf<'forward'>> {
  return {
    group: 'forward',
    name: titleOf(batch),
    unit: 'samples/s',
    better: 'higher',
    work: { kind: 'forward', ...batch },
    amount: batch.batch,
    flops: forwardFlops(batch),
    error: ([logits]) => distance(logits, referenceOf('forward', batch).logits ?? []),
    limit: 1e-3,
  }
}

/** With `half` a base in half floats (`dtype: 'fp16'`). A step's result is [losses of the checked steps, ‖first moment‖ by the names in order]. */
export function train(batch: Batch, method: Method, half = false): Case<WorkOf<'train'>> {
  const work: WorkOf<'train'> = { kind: 'train', method, half, ...batch }
  return {
    group: 'train',
    name: `${titleOf(batch)} ${{ lora: 'LoRA', condlora: 'CondLoRA', full: 'full' }[method]}${half ? ' fp16' : ''}`,
    unit: 'samples/s',
    better: 'higher',
    work,
    amount: batch.batch,
    flops: stepFlops(work),
    error: ([losses, moments]) => {
      const wanted = referenceOf(method, batch)
      const norms = trainedNames(batch.model, method).map((name) => wanted.moments?.[name] ?? Number.NaN)
      const all = Math.hypot(...norms)
      // Some gradients are zero but for rounding (a key's bias shifts all scores of a row alike): less than a thousandth of
      // the whole gradient is held against that. A tenth: moments depend more on the order of sums than losses do.
      const off = norms.map((norm, i) => Math.abs(moments[i] - norm) / Math.max(norm, all / 1000))
      return Math.max(distance(losses, wanted.losses ?? []), ...off.map((x) => x / 10))
    },
    limit: half ? halfLimit : 1e-3,
    alone: true,
  }
}

export const trainedNames = (model: ModelName, method: Method) => [...trainedShapes(model, method).keys()].sort()

export const batches: Record<'mini' | 'minilm' | 'baseGpu' | 'baseSoftware' | 'tiny', Batch> = {
  mini: { model: 'roberta-mini', batch: 16, length: 64 },
  minilm: { model: 'minilm', batch: 8, length: 64 },
  baseGpu: { model: 'roberta-base', batch: 16, length: 128 },
  baseSoftware: { model: 'roberta-base', batch: 1, length: 128 },
  tiny: { model: 'tiny', batch: 2, length: 16 },
}
