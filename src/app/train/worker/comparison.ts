import { DeviceLostError } from '../../../gpu'
import type { Files } from '../../../io'
import { readAdapterConfig } from '../../../peft/adapter_file'
import { type CallableTextClassification, TextClassification } from '../../../peft/text_classification'
import type { Answer, Compared } from '../protocol'
import type { Base } from './base'
import type { Gpu } from './gpu'

interface Entry {
  files: Files
  method: string
  labels: readonly string[]
}

/** Adapters side by side on one base, whose weights are on the device once. */
export class Comparison {
  readonly #entries = new Map<string, Entry>()
  #opened: Promise<CallableTextClassification> | null = null

  constructor(
    private readonly gpu: Gpu,
    private readonly base: Base,
  ) {}

  /** In the order in which they came. */
  get list(): Compared[] {
    return [...this.#entries].map(([name, { method, labels }]) => ({ name, method, labels }))
  }

  /** Under this name, or one like it that is free. */
  async add(wanted: string, files: Files): Promise<void> {
    const { peftType: method } = await readAdapterConfig(files, {})
    const plain = wanted.replace(/\.zip$/i, '').replace(/[^\w-]+/g, '-') || 'adapter'
    await this.#with(async (classify) => {
      let name = plain
      for (let i = 2; classify.adapterNames.includes(name); i++) name = `${plain}-${i}`
      await classify.loadAdapter(files, name)
      this.#entries.set(name, { files, method, labels: classify.labels(name) })
    })
  }

  async remove(name: string): Promise<void> {
    this.#entries.delete(name)
    await this.#with((classify) => classify.deleteAdapter(name))
  }

  /** What each says, one after the other: each answer begins with a switch. */
  ask(text: string, textPair?: string): Promise<Answer[]> {
    return this.#with(async (classify) => {
      const answers: Answer[] = []
      for (const name of this.#entries.keys()) {
        const start = performance.now()
        const labels = await classify({ text, textPair }, { adapter: name, topK: null })
        answers.push({ name, labels, ms: performance.now() - start })
      }
      return answers
    })
  }

  /** Gives the GPU's memory back. */
  async dispose(): Promise<void> {
    await (await this.#opened)?.dispose()
  }

  /** Once more, all loaded anew, where the device was lost. */
  async #with<T>(work: (classify: CallableTextClassification) => Promise<T>): Promise<T> {
    try {
      return await work(await this.#open())
    } catch (thrown) {
      if (!(thrown instanceof DeviceLostError)) throw thrown
      this.#opened = null
      return work(await this.#open())
    }
  }

  #open(): Promise<CallableTextClassification> {
    const { tokenizer, files } = this.base
    const load = async () => {
      const adapters = Object.fromEntries([...this.#entries].map(([name, entry]) => [name, entry.files]))
      return TextClassification.fromPretrained(files, { device: await this.gpu.device(), tokenizer, adapters, notice: () => {} })
    }
    this.#opened ??= load().catch((thrown) => {
      this.#opened = null
      throw thrown
    })
    return this.#opened
  }
}
