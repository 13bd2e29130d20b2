import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { openFolder } from '../../src/io'
import type { ModelForSequenceClassification } from '../../src/models/sequence_classification'
import type { Random } from '../../src/ops/philox'
import { type PeftConfig, PeftModel } from '../../src/peft'
import type { Case } from './cases'
import { distance, sameFiles, tensorDistance } from './compare'
import type { Column, Ledger } from './ledger'
import { type Batch, logitsOf, moved, newAdapter, settings, tenSteps } from './ours'
import type { Peer } from './peer'

const tensors = 'adapter_model.safetensors'

/** All that the checks of one case share. */
export interface Setting {
  peer: Peer
  ledger: Ledger
  folder: string
  /** The base model's folder, and the model. */
  base: string
  model: ModelForSequenceClassification
  random: Random
  batches: Batch[]
  sample: Batch
}

/** peft's own names of a configuration's keys, without what only training knows. */
function theirConfig({ peftType, ...config }: PeftConfig): Record<string, unknown> {
  const { loraplusLrRatio: _, freezeA: __, ...rest } = config as Record<string, unknown>
  return Object.fromEntries(Object.entries(rest).map(([key, value]) => [key.replace(/[A-Z]/g, (c) => `_${c.toLowerCase()}`), value]))
}

/** What is not in an adapter's folder. */
function training(config: PeftConfig): { loraplusLrRatio?: number; freezeA?: boolean } {
  const { loraplusLrRatio, freezeA } = config as { loraplusLrRatio?: number; freezeA?: boolean }
  return { ...(loraplusLrRatio ? { loraplusLrRatio } : {}), ...(freezeA ? { freezeA } : {}) }
}

/** All checks of one case. */
export class Trial {
  readonly #folder: string
  readonly #inPeft: boolean

  constructor(
    private readonly setting: Setting,
    private readonly what: Case,
  ) {
    this.#folder = join(setting.folder, what.name.replace(/\W+/g, '-'))
    this.#inPeft = ['LORA', 'VERA', 'FOURIERFT'].includes(what.config.peftType)
  }

  async run(): Promise<void> {
    const { name, toLora, unmergeable } = this.what
    const start = performance.now()
    // Whatever throws outside of a check is one failure.
    await this.#start().catch((thrown) => this.#check('files', 'our adapter', () => Promise.reject(thrown)))
    await this.#tenSteps().catch((thrown) => this.#check('losses', 'ten steps', () => Promise.reject(thrown)))
    if (!unmergeable) await this.#merged()
    if (toLora) await this.#asLora()
    console.log(`     ${name}: ${((performance.now() - start) / 1000).toFixed(1)} s`)
  }

  #check(column: Column, what: string, body: () => Promise<number>): Promise<void> {
    return this.setting.ledger.check(this.what.name, column, what, body)
  }

  #at(part: string): string {
    return join(this.#folder, part)
  }

  /** Our new adapter in peft, and peft's new one here. */
  async #start(): Promise<void> {
    const { peer, base, random, sample } = this.setting
    const { config } = this.what
    const model = await newAdapter(this.setting.model, config, random)
    await model.savePretrained(this.#at('start'))
    if (!this.#inPeft) return
    await this.#check('ours there', 'our new adapter, loaded by peft', async () =>
      distance(await logitsOf(model, sample), await peer.ask('logits', { base, adapter: this.#at('start'), sample })),
    )
    const request = { base, kind: config.peftType, config: theirConfig(config), moved, sample, out: this.#at('made') }
    let theirs: number[] = []
    await this.#check('theirs here', 'peft’s new adapter, loaded here', async () => {
      theirs = await peer.ask<number[]>('make', request)
      return distance(await this.#logitsHere('made'), theirs)
    })
    await this.#check('files', 'names, shapes, types, configuration', () =>
      sameFiles(openFolder(this.#at('start')), openFolder(this.#at('made'))),
    )
  }

  async #logitsHere(adapter: string): Promise<Float32Array> {
    return logitsOf(await PeftModel.fromPretrained(this.setting.model, this.#at(adapter)), this.setting.sample)
  }

  /** Ten steps on both sides from one file, and what each makes of the other's result. */
  async #tenSteps(): Promise<void> {
    const { peer, base, batches, sample } = this.setting
    const { config } = this.what
    const model = await PeftModel.fromPretrained(this.setting.model, this.#at('start'), { config: training(config) })
    const ours = { losses: await tenSteps(model, batches), logits: await logitsOf(model, sample) }
    await model.savePretrained(this.#at('ours'))
    const theirs = await peer.ask<{ losses: number[]; logits: number[] }>('train', {
      base,
      adapter: this.#at('start'),
      kind: config.peftType,
      frozen: training(config).freezeA ? 'lora_A' : null,
      plus: training(config).loraplusLrRatio ?? null,
      sample,
      batches,
      out: this.#at('theirs'),
      ...settings,
    })
    const [mine, other] = [openFolder(this.#at('ours')), openFolder(this.#at('theirs'))]
    await this.#check('losses', 'losses of ten steps', async () => distance(ours.losses, theirs.losses))
    await this.#check('logits', 'logits after ten steps', async () => distance(ours.logits, theirs.logits))
    await this.#check('tensors', 'trained tensors after ten steps', () => tensorDistance(mine, other, tensors))
    if (this.#inPeft)
      await this.#check('ours there', 'our trained adapter, loaded by peft', async () =>
        distance(ours.logits, await peer.ask('logits', { base, adapter: this.#at('ours'), sample })),
      )
    else await other.write('adapter_config.json', await mine.read('adapter_config.json'))
    await this.#check('theirs here', 'their trained tensors, loaded here', async () =>
      distance(await this.#logitsHere('theirs'), theirs.logits),
    )
  }

  /** Our merged folder in plain transformers, and its weights against those that peft merges. */
  async #merged(): Promise<void> {
    const { peer, base, sample } = this.setting
    const [ours, theirs] = [this.#at('merged'), this.#at('merged-there')]
    await this.#check('merged', 'condlora merge, loaded by transformers', async () => {
      await condlora('merge', this.#at('ours'), '--model', base, '--output', ours)
      return distance(await peer.ask('logits', { base: ours, sample }), await this.#logitsHere('ours'))
    })
    if (this.#inPeft)
      await this.#check('merged', 'merged weights', async () => {
        await peer.ask('merge', { base, adapter: this.#at('ours'), out: theirs })
        return tensorDistance(openFolder(ours), openFolder(theirs), 'model.safetensors')
      })
  }

  /** Written as plain LoRA and loaded by peft. */
  async #asLora(): Promise<void> {
    const { peer, base, sample } = this.setting
    await this.#check('as LoRA', 'condlora convert --to lora, loaded by peft', async () => {
      await condlora('convert', this.#at('ours'), '--to', 'lora', '--model', base, '--output', this.#at('lora'))
      return distance(await peer.ask('logits', { base, adapter: this.#at('lora'), sample }), await this.#logitsHere('ours'))
    })
  }
}

/** Runs the command as a user does. */
async function condlora(...args: string[]): Promise<void> {
  await promisify(execFile)(process.execPath, ['dist/cli/condlora.js', ...args])
}
