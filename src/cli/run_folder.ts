import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { parseJson } from '../io'
import { UsageError } from './failure'

/** One line of metrics.jsonl. */
export interface MetricLine {
  event: 'log' | 'evaluate' | 'final'
  step: number
  time: string
  [key: string]: number | string
}

const own = /^(adapter|analysis|metrics\.jsonl|config\.json|profile\.json|report\.html|result\.json|checkpoint-\d+)$/

/**
 * The folder of a run: adapter/, metrics.jsonl, config.json, report.html, with --profile profile.json, of `reproduce`
 * result.json, and the Trainer's checkpoints.
 */
export class RunFolder {
  readonly metrics: MetricLine[] = []
  #made = false
  #earlier: string | undefined
  #config: object = {}

  constructor(readonly folder: string) {}

  path(name: string): string {
    return join(this.folder, name)
  }

  /**
   * Sees that the folder can be written and holds no run yet, without writing.
   * @throws Error on a path below a file, UsageError on a run that is there
   */
  check(overwrite: boolean): void {
    let existing = resolve(this.folder)
    while (!existsSync(existing)) existing = dirname(existing)
    if (!statSync(existing).isDirectory())
      throw new Error(`--output ${this.folder}: cannot be written: ${existing} is a file, not a folder; choose another`)
    const held = this.#held()
    if (held.length && !overwrite)
      throw new UsageError(
        `--output ${this.folder}: a run is there already (${held.slice(0, 3).join(', ')}); go on with it by --resume ${this.folder}, choose another folder, or replace it by --overwrite`,
      )
  }

  /** Makes the folder; with `fresh`, what an earlier run left in it goes. */
  open(config: object, fresh: boolean): void {
    this.#io(() => {
      this.#made = !existsSync(this.folder)
      this.#earlier = fresh ? undefined : readFileSync(this.path('config.json'), 'utf8')
      mkdirSync(this.folder, { recursive: true })
      if (fresh) for (const name of this.#held()) rmSync(this.path(name), { recursive: true })
    })
    this.#config = {}
    this.settle(config)
    if (!fresh) this.metrics.push(...readMetrics(this.path('metrics.jsonl')))
  }

  /** Adds to config.json what was settled after the run was opened. */
  settle(more: object): void {
    this.#config = { ...this.#config, ...more }
    this.write('config.json', `${JSON.stringify(this.#config, null, 2)}\n`)
  }

  /** After a run that failed before its first step: leaves what was there before. */
  abandon(): void {
    if (this.#earlier !== undefined) writeFileSync(this.path('config.json'), this.#earlier)
    if (this.#held().some((name) => name !== 'config.json')) return
    rmSync(this.path('config.json'), { force: true })
    if (this.#made && !readdirSync(this.folder).length) rmdirSync(this.folder)
  }

  /** Adds a line as it is. */
  append(event: MetricLine['event'], numbers: Record<string, number>): void {
    const line = { event, step: this.metrics.at(-1)?.step ?? 0, time: new Date().toISOString(), ...numbers }
    this.metrics.push(line)
    this.#io(() => appendFileSync(this.path('metrics.jsonl'), lineText(line)))
  }

  /** Appends an event. On going on from a checkpoint, lines of steps that are done again give way to the new ones. */
  record(event: MetricLine['event'], numbers: { step: number; [key: string]: number }): void {
    const line: MetricLine = { event, time: new Date().toISOString(), ...numbers }
    const stale = ({ step, event: kind }: MetricLine) => step > line.step || (step === line.step && kind === event)
    const kept = this.metrics.filter((each) => !stale(each))
    const rewrite = kept.length < this.metrics.length
    this.metrics.splice(0, this.metrics.length, ...kept, line)
    const file = this.path('metrics.jsonl')
    this.#io(() => (rewrite ? writeFileSync(file, this.metrics.map(lineText).join('')) : appendFileSync(file, lineText(line))))
  }

  /** Of a run that has ended nobody goes on with. */
  removeCheckpoints(): void {
    for (const name of this.#held().filter((each) => each.startsWith('checkpoint-'))) rmSync(this.path(name), { recursive: true })
  }

  write(name: string, content: string): void {
    this.#io(() => writeFileSync(this.path(name), content))
  }

  #held(): string[] {
    return existsSync(this.folder) ? readdirSync(this.folder).filter((name) => own.test(name)) : []
  }

  #io(work: () => void): void {
    try {
      work()
    } catch (thrown) {
      throw new Error(`${this.folder}: cannot be written: ${(thrown as Error).message}`)
    }
  }
}

const lineText = (line: MetricLine) => `${JSON.stringify(line)}\n`

/** A line that a crash cut off is passed over. */
function readMetrics(file: string): MetricLine[] {
  if (!existsSync(file)) return []
  return readFileSync(file, 'utf8')
    .split('\n')
    .flatMap((line) => {
      try {
        return [parseJson(line, file) as MetricLine]
      } catch {
        return []
      }
    })
}
