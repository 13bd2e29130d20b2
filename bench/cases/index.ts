import type { Case } from '../case'
import { attentions } from './attention'
import { conversions } from './conversion'
import { adapterShapes, modelShapes, squares } from './matmul'
import { batches, forward, train } from './models'
import { replays } from './replay'
import { rooflines } from './roofline'
import { rowCases } from './rows'

export interface Plan {
  /** The adapter is a processor: a smaller RoBERTa-base batch, smaller rooflines. */
  software: boolean
  /** A few rows of each kind. */
  quick: boolean
}

/** Rows that say nothing new, or take long: left out of `--quick`. */
const long = new Set([
  'square 2048',
  'square 4096',
  'base projection 512×768×768',
  'base ffn up 512×768×3072',
  'base ffn down 512×3072×768',
  'minilm ffn down 512×1536×384',
  'dX = dY·W 512×768×768',
  'x·Aᵀ 512×768×8',
  'h·Bᵀ 512×8×768',
  'softmax 24576×128',
  'layernorm 2048×768',
  'gelu 2048×3072',
  '4×12×(128×64)',
  '8×12×(512×32)',
  '6×384 8×64 full',
])
const isLong = ({ name }: Case) => long.has(name) || name.startsWith('RoBERTa-base')

/** Every row of the report, in order. */
export function casesOf({ software, quick }: Plan): Case[] {
  const base = software ? batches.baseSoftware : batches.baseGpu
  const trained = [batches.mini, batches.minilm, base]
  const all = [
    ...rooflines(software),
    ...squares,
    ...modelShapes,
    ...adapterShapes,
    ...conversions,
    ...rowCases,
    ...attentions,
    ...trained.map((batch) => forward(batch)),
    ...trained.flatMap((batch) => (['lora', 'condlora', 'full'] as const).map((method) => train(batch, method))),
    ...replays,
  ]
  return quick ? all.filter((row) => !isLong(row)) : all
}

/** Rows so small that they only show that the instrument works. */
export const tinyCases: Case[] = [
  { ...squares[0], group: 'tiny' },
  { ...forward(batches.tiny), group: 'tiny' },
  { ...train(batches.tiny, 'lora'), group: 'tiny' },
  { ...train(batches.tiny, 'condlora'), group: 'tiny' },
  { ...train(batches.tiny, 'full'), group: 'tiny' },
]
