import type { Batch } from '../data'
import type { Recording } from '../gpu'
import { noGrad, Tensor } from '../graph'
import type { Pass } from '../nn/pass'
import { type HostInputs, hostInputs, inputTensors, type ModelInputs, writeInputs } from './inputs'
import { Recent } from './recent'
import { classify, type SequenceClassifier } from './sequence_classification'

/** One of the ways through weights that several share: a model with its labels, and what its layers are changed by. */
export interface Route {
  /** Routes of one name share recordings. */
  name: string
  model: SequenceClassifier
  pass: () => Pass
}

interface List {
  recording: Recording
  inputs: ModelInputs
  out: Tensor
}

// Numbers of rows that batches are filled up to: few, as lengths are, and none wastes more than a third.
const steps = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64]
const filled = (rows: number) => steps.find((step) => step >= rows) ?? Math.ceil(rows / 32) * 32

/**
 * Logits by replayed recordings: one is made for each route and shape of batch when it is first met. A replay uploads the token ids
 * and nothing else, whichever route was taken before. The recordings used last are kept.
 */
export class Replays {
  readonly #lists: Recent<List>
  #turn: Promise<unknown> = Promise.resolve()

  constructor(mostRecordings = 64) {
    this.#lists = new Recent(mostRecordings, ({ recording, inputs, out }) => {
      recording.dispose()
      for (const tensor of [...Object.values(inputs), out]) if (tensor instanceof Tensor) tensor.dispose()
    })
  }

  /** Hands a batch to the device; the promise inside is of its logits. Calls take turns. */
  run(route: Route, batch: Batch): Promise<{ data: Promise<Float32Array> }> {
    const turn = this.#turn.then(() => this.#replay(route, batch))
    this.#turn = turn.catch(() => {})
    return turn
  }

  /** Gives the recordings of a route back, after the batches that were handed over before. Default: of all. */
  forget(name?: string): Promise<void> {
    const turn = this.#turn.then(() => this.#lists.remove((key) => name === undefined || key.startsWith(`${name} `)))
    this.#turn = turn
    return turn
  }

  async #replay(route: Route, batch: Batch): Promise<{ data: Promise<Float32Array> }> {
    const { config } = route.model
    const host = hostInputs(fill(batch), config)
    const { recording, inputs, out } = await this.#lists.get(`${route.name} ${host.batch}×${host.length}`, () => record(route, host))
    writeInputs(inputs, host)
    await recording.replay()
    // Asked for before the next turn writes.
    return { data: out.data().then((all) => all.subarray(0, batch.batch * config.numLabels)) }
  }
}

async function record({ name, model, pass }: Route, host: HostInputs): Promise<List> {
  const { device } = model
  const inputs = inputTensors(device, host.batch, host.length)
  const { recording, result } = await device.record(
    `classify ${name} ${host.batch}×${host.length}`,
    () => noGrad(() => classify(model, inputs, pass())),
    (out) => [out.storage],
  )
  return { recording, inputs, out: result }
}

/** The batch with its last row again and again, up to one of few numbers of rows. */
function fill(batch: Batch): Batch {
  const { batch: rows, length } = batch
  const wanted = filled(rows)
  if (wanted === rows) return batch
  const more = (values: Int32Array) => {
    const out = new Int32Array(wanted * length)
    out.set(values)
    for (let row = rows; row < wanted; row++) out.set(values.subarray((rows - 1) * length, rows * length), row * length)
    return out
  }
  const { inputIds, attentionMask, tokenTypeIds } = batch
  return {
    inputIds: more(inputIds),
    attentionMask: more(attentionMask),
    tokenTypeIds: more(tokenTypeIds),
    batch: wanted,
    length,
  }
}
