import type { Tokenizer } from '../data'
import type { Tensor } from '../graph'
import type { EncoderConfig } from '../models/config'
import type { TokenBatch } from '../models/inputs'
import { eager, type Text, textLogits } from '../models/predict'
import { readTexts } from './data'
import type { Settings } from './flags'

const own = [
  'We met in the garden after work.',
  'You won a prize! Call now to claim it.',
  'The film is long, the acting superb, and the ending disappoints.',
  'Is there any train to the coast before nine tomorrow morning?',
  'No.',
  'The committee, whose members had read the report twice, put off its decision until the figures of the second quarter are known.',
]

const most = 32

/** Texts to try a model on: the first rows of a file, or some of this program's own. */
export async function sampleTexts(
  { data, text, textPair }: { data?: string; text?: string; textPair?: string },
  settings: Settings,
): Promise<Text[]> {
  if (data === undefined) return own
  const { rows } = await readTexts(data, { text: text ?? settings.text, textPair: textPair ?? settings.textPair })
  if (!rows.length) throw new Error(`${data}: there is no row`)
  return rows.slice(0, most).map((row) => (row.pair === undefined ? row.text : [row.text, row.pair]))
}

/** What a model says of texts, one row after the other. */
export async function logitsOf(
  model: { logits(tokens: TokenBatch): Promise<Tensor> },
  config: EncoderConfig,
  texts: Text[],
  tokenizer: Tokenizer,
): Promise<number[]> {
  const run = eager((batch) => model.logits(batch))
  const rows = await textLogits(run, texts, { config, tokenizer, batchSize: most, notice: () => {} })
  return rows.flatMap((row) => [...row])
}

/** The largest difference between two lists of logits, and the largest of the first. @throws Error where one is no number */
export function compareLogits(before: number[], after: number[]): { largestDifference: number; largestLogit: number } {
  const largest = (values: number[]) => values.reduce((most, v) => Math.max(most, Math.abs(v)), 0)
  const largestDifference = largest(before.map((v, i) => v - after[i]))
  if (!Number.isFinite(largestDifference)) throw new Error('the logits are not finite numbers: the weights do not fit their type')
  return { largestDifference, largestLogit: largest(before) }
}
