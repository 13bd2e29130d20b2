import { type Device, type Recording, replayAll, type Storage } from '../gpu'
import { backwardAll, elementwise, noGrad, Tensor } from '../graph'
import { Recent } from '../models/recent'
import { classificationLoss } from '../models/sequence_classification'
import { gatherGradients } from '../nn/parameters'
import { Pass } from '../nn/pass'
import { type Chooser, choosing } from '../ops/gemm_kernels'
import type { CallablePeftModel } from '../peft'
import type { Prepared } from '../peft/method'
import type { AdamW, StepStatus } from './adamw'
import type { HostBatch } from './examples'
import { Feed } from './feed'
import { within } from './watch'

/** `first` writes gradients, `more` adds to them (accumulation); `logits` and `features` only look. */
export type Kind = 'first' | 'more' | 'logits' | 'features'

interface Shape {
  recording: Recording
  feed: Feed
  out: Tensor
}

export interface ProgramOptions {
  /** Of dropout. */
  seed: number
  /** Layers are run again in backward, which keeps their inputs alone. */
  checkpointing?: boolean
  /** A step that takes longer counts as a lost device. Default: no limit. */
  timeoutMs?: number
  /**
   * Most recordings of batches that are kept. Lengths come in few buckets, but kinds, sizes and lengths multiply. Default 48:
   * twelve lengths in every kind.
   */
  mostShapes?: number
}

/** True for the name under which lists of a training step are submitted. */
export const isStep = (list: string): boolean => /(^| \+ )(first|more) /.test(list)

const copyTo = (to: Tensor, from: Tensor) => elementwise('gradients', 'copy', to, [from])
const addTo = (to: Tensor, from: Tensor) => elementwise('gradients', 'addTo', to, [from])

/**
 * A training step as three lists of dispatches, recorded once and replayed:
 *   begin  what adapters need from the trained tensors (CondLoRA: A and B of all layers)
 *   micro  one batch forward and backward, one list per shape of batch
 *   end    from A and B back to the trained tensors, clipping, AdamW
 */
export class TrainingProgram {
  #begin: { recording: Recording; prepared: Prepared; gradients: Tensor[] } | null = null
  #end: Recording | null = null
  readonly #shapes: Recent<Shape>
  /** What `begin` computed is older than the trained tensors. */
  #stale = true
  /** Share of a micro-batch in its step: its loss is multiplied by this. */
  readonly #weight: Tensor
  readonly #losses: Tensor
  readonly #rng: Tensor
  /** Micro-batches so far: the counter of dropout. */
  microSteps = 0
  #chooser: Chooser | null = null

  constructor(
    private readonly model: CallablePeftModel,
    private readonly optimizer: AdamW,
    private readonly options: ProgramOptions,
  ) {
    const { device } = model
    this.#shapes = new Recent(options.mostShapes ?? 48, ({ recording, feed }) => {
      recording.dispose()
      feed.dispose()
    })
    this.#weight = Tensor.from(device, [1])
    this.#losses = Tensor.from(device, [0])
    this.#rng = Tensor.from(device, [0, 0, 0, 0], [4], 'u32')
  }

  get device(): Device {
    return this.model.device
  }

  /** One optimizer step over one or more micro-batches; resolves when it is handed to the device. */
  step(batches: HostBatch[], learningRate: number, number: number): Promise<void> {
    return this.#within(`step ${number}`, this.#step(batches, learningRate, number))
  }

  async #step(batches: HostBatch[], learningRate: number, number: number): Promise<void> {
    const { seed } = this.options
    const begin = await this.#prepared()
    const end = await this.#recordedEnd()
    const examples = batches.reduce((n, b) => n + b.size, 0)
    this.optimizer.set(learningRate, number)
    for (const [i, batch] of batches.entries()) {
      const { recording, feed } = await this.#shape(i === 0 ? 'first' : 'more', batch)
      feed.write(batch)
      this.#weight.write([batch.size / examples])
      this.#rng.write([seed >>> 0, Math.floor(seed / 2 ** 32) >>> 0, this.microSteps++, 0])
      const lists = [...(this.#stale ? [begin.recording] : []), recording, ...(i === batches.length - 1 ? [end] : [])]
      this.#stale = i === batches.length - 1
      await replayAll(lists)
    }
  }

  /** Logits of a batch without dropout, or the head's input; the promise is of the numbers read back. */
  look(kind: 'logits' | 'features', batch: HostBatch): Promise<{ data: Promise<Float32Array> }> {
    return this.#within(`a batch of ${kind}`, this.#look(kind, batch))
  }

  async #look(kind: 'logits' | 'features', batch: HostBatch): Promise<{ data: Promise<Float32Array> }> {
    const begin = await this.#prepared()
    const { recording, feed, out } = await this.#shape(kind, batch)
    feed.write(batch)
    const lists = this.#stale ? [begin.recording, recording] : [recording]
    this.#stale = false
    await replayAll(lists)
    return { data: this.#within(`a batch of ${kind}`, out.data()) }
  }

  /** Sum of the steps' losses since it was set, and the optimizer's state: read now, known when the device gets there. */
  async readLosses(): Promise<{ lossSum: number } & StepStatus> {
    const reads = Promise.all([this.#losses.item(), this.optimizer.status()])
    const [lossSum, status] = await this.#within('the reading of the losses', reads)
    return { lossSum, ...status }
  }

  /** The same; the sum goes on from 0. */
  takeLosses(): ReturnType<TrainingProgram['readLosses']> {
    const reads = this.readLosses()
    this.setLossSum(0)
    return reads
  }

  /** From where the sum of the losses goes on. */
  setLossSum(sum: number): void {
    this.#losses.write([sum])
  }

  /** Call it when the trained tensors may have been written from outside. */
  changed(): void {
    this.#stale = true
  }

  /** Records what batches like this one need, so that memory is taken now; gives the lists, in no order. */
  async plan(kind: Kind, batch: HostBatch): Promise<Recording[]> {
    const lists = [(await this.#prepared()).recording]
    if (kind === 'first' || kind === 'more') lists.push(await this.#recordedEnd())
    return [...lists, (await this.#shape(kind, batch)).recording]
  }

  /** Gives a batch's recording back. */
  forget(kind: Kind, batch: HostBatch): void {
    this.#shapes.remove((key) => key === `${kind} ${batch.key}`)
  }

  /** Products of all lists that are recorded from now on take the variants that `chooser` names; earlier lists are given up. */
  choose(chooser: Chooser | null): void {
    if (chooser === this.#chooser) return
    this.#dropAll()
    this.#chooser = chooser
  }

  dispose(): void {
    this.#dropAll()
    for (const t of [this.#weight, this.#losses, this.#rng]) t.dispose()
  }

  #dropAll(): void {
    this.#shapes.remove()
    this.#end?.dispose()
    this.#begin?.recording.dispose()
    for (const t of this.#begin?.gradients ?? []) t.dispose()
    this.#end = null
    this.#begin = null
    this.#stale = true
  }

  #list<T>(name: string, body: () => T, keep: (result: T) => Storage[]): Promise<{ recording: Recording; result: T }> {
    return this.device.record(name, () => choosing(this.#chooser, body), keep)
  }

  #within<T>(what: string, work: Promise<T>): Promise<T> {
    return within(this.device, this.options.timeoutMs ?? 0, what, work)
  }

  async #prepared() {
    if (this.#begin) return this.#begin
    const { recording, result } = await this.#list(
      'begin',
      () => this.model.prepare(),
      ({ derived, fixed = [] }) => [...derived.map((d) => d.tensor), ...fixed].map(({ storage }) => storage),
    )
    const gradients = result.derived.map((d) => Tensor.from(this.device, new Float32Array(d.tensor.size), d.tensor.shape))
    this.#begin = { recording, prepared: result, gradients }
    return this.#begin
  }

  async #recordedEnd(): Promise<Recording> {
    const { prepared, gradients } = await this.#prepared()
    const { parameters } = this.model
    this.#end ??= (
      await this.#list(
        'end',
        () => {
          if (gradients.length) backwardAll(prepared.derived.map((d, i) => [d.tensor, gradients[i]]))
          gatherGradients(parameters.leaves(), parameters.gradients, copyTo)
          this.optimizer.record(this.#losses)
        },
        () => [],
      )
    ).recording
    return this.#end
  }

  #shape(kind: Kind, batch: HostBatch): Promise<Shape> {
    return this.#shapes.get(`${kind} ${batch.key}`, () => this.#record(kind, batch))
  }

  /** A number times the micro-batch's share. */
  #times(x: Tensor): Tensor {
    return elementwise('loss', 'mul', Tensor.empty(this.device, [1], 'loss'), [x, this.#weight])
  }

  #clearGradients(): void {
    const { prepared } = this.#begin ?? {}
    const leaves = [...this.model.parameters.leaves(), ...(prepared?.derived ?? []).flatMap((d) => d.leaves)]
    for (const [leaf] of leaves) leaf.grad = null
  }

  async #record(kind: Kind, batch: HostBatch): Promise<Shape> {
    const { prepared, gradients } = await this.#prepared()
    const feed = new Feed(this.model.base, batch, this.model.trainsTables)
    const look = (): Tensor => noGrad(() => (kind === 'features' ? feed.features(new Pass()) : feed.logits(this.model.pass(prepared))))
    const train = (): Tensor => {
      const loss = classificationLoss(
        this.model.base.config,
        feed.logits(this.model.pass(prepared, { rngState: this.#rng, checkpointing: this.options.checkpointing })),
        feed.labels,
      )
      const { scale } = this.optimizer
      loss.backward(scale ? this.#times(scale.view([1])) : this.#weight)
      const put = kind === 'first' ? copyTo : addTo
      gatherGradients(this.model.parameters.leaves(), this.model.parameters.gradients, put, kind === 'first')
      prepared.derived.forEach(({ leaves }, i) => gatherGradients(leaves, gradients[i], put, kind === 'first'))
      addTo(this.#losses, this.#times(loss.view([1])))
      return loss
    }
    const training = kind === 'first' || kind === 'more'
    try {
      const { recording, result } = await this.#list(`${kind} ${batch.key}`, training ? train : look, (out) =>
        training ? [] : [out.storage],
      )
      return { recording, feed, out: result }
    } catch (thrown) {
      feed.dispose()
      this.#clearGradients() // a list that was given up leaves its gradients at the leaves
      throw thrown
    }
  }
}
