import { sha256 } from '../io'
import type { LabelRule } from './labels'
import { NumpyRandom } from './numpy_random'
import { type ReadOptions, type Row, rawRows, toRow } from './read'
import type { Columns } from './rows'
import type { Source } from './source'

/** How a streamed data set is shuffled: through a buffer, as `datasets` does. */
export interface ShuffleOptions {
  /** Default 0. */
  seed?: number
  /** Rows kept in memory to draw from. Default 1000. */
  bufferSize?: number
}

/**
 * A split that is larger than memory: its rows come from its files in pieces, anew for every pass. The Trainer takes
 * it with `maxSteps`.
 */
export class IterableDataset {
  readonly labelNames?: readonly string[]
  /** Classes that the labels have, 1 for a regression. */
  readonly numLabels?: number

  constructor(
    private readonly sources: readonly Source[],
    readonly columns: Columns,
    private readonly rule: LabelRule | undefined,
    private readonly options: ReadOptions = {},
    private readonly shuffling?: Required<ShuffleOptions>,
  ) {
    if (rule?.names) this.labelNames = rule.names
    this.numLabels = rule?.numLabels
  }

  /** The same rows in an order that a buffer makes random: `datasets`' algorithm, and for one seed its order. */
  shuffle({ seed = 0, bufferSize = 1000 }: ShuffleOptions = {}): IterableDataset {
    if (!Number.isSafeInteger(bufferSize) || bufferSize < 1)
      throw new Error(`shuffle: bufferSize: wanted a whole number above 0, got ${bufferSize}`)
    new NumpyRandom(seed) // refuses a bad one here
    return new IterableDataset(this.sources, this.columns, this.rule, this.options, { seed, bufferSize })
  }

  /** One pass. Shuffled rows come in another order in every epoch; the same seed and epoch give the same order. */
  stream(epoch = 0): AsyncGenerator<Row> {
    const rows = this.#rows()
    return this.shuffling ? drawn(rows, epochRandom(this.shuffling.seed, epoch), this.shuffling.bufferSize) : rows
  }

  /** The first pass, in its order. */
  [Symbol.asyncIterator](): AsyncGenerator<Row> {
    return this.stream()
  }

  /** Tells data sets apart without reading them whole: sizes, and a hash of the ends of each file. */
  async fingerprint(): Promise<string> {
    const ends = 1 << 16
    const parts: string[] = [JSON.stringify([this.columns, this.shuffling, this.labelNames])]
    for (const { files, path, size } of this.sources) {
      parts.push(String(size), await sha256(await files.read(path, 0, Math.min(ends, size))))
      if (size > ends) parts.push(await sha256(await files.read(path, size - ends)))
    }
    return (await sha256(new TextEncoder().encode(parts.join('\n')))).slice(0, 16)
  }

  async *#rows(): AsyncGenerator<Row> {
    for await (const some of rawRows(this.sources, this.columns, this.options))
      for (const raw of some) yield toRow(raw, this.columns, this.rule, this.options)
  }
}

/** Epoch 0 has the seed's generator; later ones a seed drawn from it, less the epoch, as `datasets` has them. */
function epochRandom(seed: number, epoch: number): NumpyRandom {
  const random = new NumpyRandom(seed)
  if (!epoch) return random
  const drawn = (random.next64() >> 1n) - BigInt(epoch) // integers(0, 2⁶³)
  return new NumpyRandom(drawn < 0n ? drawn + (1n << 63n) : drawn)
}

async function* drawn(rows: AsyncIterable<Row>, random: NumpyRandom, bufferSize: number): AsyncGenerator<Row> {
  const buffer: Row[] = []
  let places: number[] = []
  for await (const row of rows) {
    if (buffer.length < bufferSize) {
      buffer.push(row)
      continue
    }
    if (!places.length) places = Array.from({ length: 1000 }, () => random.below(bufferSize)).reverse()
    const place = places.pop() as number
    yield buffer[place]
    buffer[place] = row
  }
  yield* random.shuffle(buffer)
}
