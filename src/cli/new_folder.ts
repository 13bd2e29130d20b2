import { existsSync, mkdirSync, readdirSync, realpathSync, renameSync, rmdirSync, rmSync, statSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { UsageError } from './failure'
import { onSignal } from './interrupt'

/**
 * A folder that is there whole or not at all: written beside its place, under another name.
 * `own` says which files it may hold that --overwrite replaces.
 */
export class NewFolder {
  /** Where to write until `finish`. */
  readonly draft: string
  readonly #place: string

  /** @throws UsageError where something else is in its place, or a folder of `sources`; Error where it is below a file */
  constructor(
    readonly folder: string,
    { overwrite = false, own, sources }: { overwrite?: boolean; own: RegExp; sources: string[] },
  ) {
    this.#place = resolve(folder)
    this.draft = join(dirname(this.#place), `.${basename(this.#place)}.${process.pid}.tmp`)
    const wrong = (why: string) => new UsageError(`--output ${folder}: ${why}; choose another folder`)
    if (!existsSync(this.#place)) return
    if (!statSync(this.#place).isDirectory()) throw wrong('is a file')
    const held = readdirSync(this.#place)
    if (!held.length) return
    const some = held.slice(0, 3).join(', ')
    if (!overwrite) throw new UsageError(`--output ${folder}: holds ${some}; choose another folder, or replace it by --overwrite`)
    const same = sources.find((source) => existsSync(source) && realpathSync(source) === realpathSync(this.#place))
    if (same) throw wrong('is what is read')
    const other = held.find((name) => !own.test(name))
    if (other) throw wrong(`holds ${other}, which this command did not write`)
  }

  /** Runs `work`, which writes into `draft`, and puts it in its place; what fails leaves nothing, and the old folder as it was. */
  async write<T>(work: (draft: string) => Promise<T>): Promise<T> {
    const remove = () => rmSync(this.draft, { recursive: true, force: true })
    const interrupt = onSignal(() => {
      remove()
      return false
    })
    try {
      this.#io(() => mkdirSync(this.draft, { recursive: true }))
      const result = await work(this.draft)
      this.#io(() => this.#finish())
      return result
    } catch (thrown) {
      remove()
      throw thrown
    } finally {
      interrupt.end()
    }
  }

  #finish(): void {
    const old = `${this.draft}.old`
    const held = existsSync(this.#place) && readdirSync(this.#place).length > 0
    if (held) renameSync(this.#place, old)
    else if (existsSync(this.#place)) rmdirSync(this.#place)
    try {
      renameSync(this.draft, this.#place)
    } catch (thrown) {
      if (held) renameSync(old, this.#place)
      throw thrown
    }
    rmSync(old, { recursive: true, force: true })
  }

  #io(work: () => void): void {
    try {
      work()
    } catch (thrown) {
      throw new Error(`--output ${this.folder}: cannot be written: ${(thrown as Error).message}`)
    }
  }
}
