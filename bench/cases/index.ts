import type { Case } from '../case'
import { attentions } from './attention'
import { conversions } from './conversion'
import { adapterShapes, halfShapes, inHalves, modelShapes, squares } from './matmul'
import { batches, forward, train } from './models'
import { replays } from './replay'
import { rooflines } from './roofline'
import { rowCases } from './rows'

export interface Plan {
  /** The adapter is a processor: a smaller RoBERTa-base batch, smaller rooflines. */
  software: boolean
  /** A few rows of each kind. */
  quick: boolean
  /** Our device has half floats. */
  half: boolean
}

/** Rows that say nothing new, or take long: left out of `--quick`. */
const long = new Set([
  'square 1024',
  'square 2048',
  'square 4096',
  'base projection 512×768×768',
  'base ffn up 512×768×3072',
  'base ffn down 512×3072×768',
  'minilm ffn up 512×384×1536',
  'minilm ffn down 512×1536×384',
  'dX = dY·W 512×768×768',
  'x·Aᵀ 512×768×8',
  'h·Bᵀ 512×8×768',
  'softmax 24576×128',
  'layernorm 2048×768',
  'gelu 2048×3072',
  '4×12×(128×64)',
  '8×12×(512×32)',
  '6×384 8×64 CondLoRA',
  '6×384 8×64 full',
  '6×384 8×64 LoRA fp16',
  '6×384 8×64 CondLoRA fp16',
])
const isLong = ({ name }: Case) => long.has(name) || name.startsWith('RoBERTa-base')

const methods = ['lora', 'condlora', 'full'] as const
const halfMethods = ['lora', 'condlora'] as const

/** Every row of the report, in order. */
export function casesOf({ software, quick, half }: Plan): Case[] {
  const base = software ? batches.baseSoftware : batches.baseGpu
  const trained = [batches.mini, batches.minilm, base]
  const all = [
    ...rooflines(software),
    ...squares,
    ...modelShapes,
    ...(half ? halfShapes : []),
    ...adapterShapes,
    ...conversions,
    ...rowCases,
    ...attentions,
    ...trained.map((batch) => forward(batch)),
    ...trained.flatMap((batch) => [
      ...methods.map((method) => train(batch, method)),
      ...(half ? halfMethods.map((method) => train(batch, method, true)) : []),
    ]),
    ...replays,
  ]
  return quick ? all.filter((row) => !isLong(row)) : all
}

/** Rows so small that they only show that the instrument works. */
export const tinyCases = ({ half }: Plan): Case[] =>
  [
    squares[0],
    forward(batches.tiny),
    ...methods.map((method) => train(batches.tiny, method)),
    ...(half
      ? [{ ...inHalves(squares[0]), name: 'square 256 f16' }, ...halfMethods.map((method) => train(batches.tiny, method, true))]
      : []),
  ].map((row): Case => ({ ...row, group: 'tiny' }))
