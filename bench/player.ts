// A participant as the parent sees it: its process, how fast it is, what it can be asked.
import { type ChildProcess, fork } from 'node:child_process'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Case, kindOf, rowKey } from './case'
import type { Plan } from './cases'
import { squares } from './cases/matmul'
import type { Effort, Outcome } from './measure'
import { participants } from './participants'
import { Speed } from './speed'
import type { Hello, Reply, Request } from './worker'

/** Of a row in a process of its own. */
export interface Alone {
  /** From the start of the process to the end of the first call, in ms. */
  startMs: number
  peakBytes: number
}

export interface PlayerOptions {
  adapter: string | undefined
  wrong: boolean
  /** Asks for what is experimental. */
  experimental: boolean
  /** Seconds that a first call may be predicted to take. */
  limit: number
  effort: Pick<Effort, 'budgetMs' | 'most'>
}

type Message = { hello?: Hello; failed?: string; reply?: Reply }

const file = join(dirname(fileURLToPath(import.meta.url)), 'worker.js')

export class Player {
  version = ''
  adapter = ''
  software = false
  half = false
  experimental = ''
  cannot: Hello['cannot'] = {}
  /** Why it cannot take part. */
  trouble = ''
  readonly alone = new Map<string, Alone>()
  readonly #speed = new Speed()
  #process: Process | null = null

  constructor(
    readonly name: string,
    private readonly options: PlayerOptions,
  ) {}

  /** Starts its process and learns its adapter. */
  async begin(): Promise<void> {
    try {
      this.#process = await this.#spawn()
    } catch (thrown) {
      this.trouble = (thrown as Error).message
    }
  }

  /** A small product tells how fast it is. */
  async calibrate(plan: Plan): Promise<void> {
    if (this.trouble) return
    const { outcome } = await this.#run(squares[0], plan)
    this.#speed.learn(squares[0], outcome)
  }

  async play(row: Case, plan: Plan): Promise<Outcome> {
    if (this.trouble) return { status: 'failed', message: this.trouble }
    const reason = this.cannot[kindOf(row.work)]
    if (reason !== undefined) return { status: 'failed', message: reason }
    const seconds = this.#speed.predict(row)
    if (seconds > this.options.limit) return { status: 'left out', seconds }
    const { outcome } = row.alone ? await this.#runAlone(row, plan) : await this.#run(row, plan)
    this.#speed.learn(row, outcome)
    return outcome
  }

  end(): void {
    this.#process?.kill()
    this.#process = null
  }

  async #run(row: Case, plan: Plan): Promise<{ outcome: Outcome }> {
    try {
      this.#process ??= await this.#spawn()
      return await this.#ask(this.#process, row, plan)
    } catch (thrown) {
      this.end()
      return { outcome: { status: 'failed', message: (thrown as Error).message } }
    }
  }

  async #runAlone(row: Case, plan: Plan): Promise<{ outcome: Outcome }> {
    let own: Process | undefined
    try {
      own = await this.#spawn()
      const reply = await this.#ask(own, row, plan)
      if (reply.outcome.status === 'ok')
        this.alone.set(row.name, { startMs: reply.outcome.measured.firstDone - own.started, peakBytes: reply.peakBytes })
      return reply
    } catch (thrown) {
      return { outcome: { status: 'failed', message: (thrown as Error).message } }
    } finally {
      own?.kill()
    }
  }

  #ask(process: Process, row: Case, plan: Plan): Promise<Reply> {
    const { effort, wrong } = this.options
    // Ten times what may be predicted, and time to draw the weights.
    return process.ask({ key: rowKey(row), plan, effort, wrong }, 60_000 + 10_000 * this.options.limit)
  }

  async #spawn(): Promise<Process> {
    const process = new Process(this.name, this.options)
    Object.assign(this, await process.hello())
    return process
  }
}

class Process {
  readonly started = Date.now()
  readonly #child: ChildProcess
  #errors = ''

  constructor(name: string, { adapter, experimental }: Pick<PlayerOptions, 'adapter' | 'experimental'>) {
    this.#child = fork(file, [name, adapter ?? '', experimental ? 'experimental' : ''], {
      execArgv: participants[name].flags ?? [],
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    })
    this.#child.stderr?.on('data', (text) => (this.#errors = `${this.#errors}${text}`.slice(-2000)))
  }

  async hello(): Promise<Hello> {
    return (await this.#next(60_000)).hello as Hello
  }

  async ask(request: Request, timeoutMs: number): Promise<Reply> {
    this.#child.send(request)
    return (await this.#next(timeoutMs)).reply as Reply
  }

  kill(): void {
    this.#child.kill('SIGKILL')
  }

  /** Its next message, or why there is none. */
  #next(timeoutMs: number): Promise<Message> {
    return new Promise((resolve, reject) => {
      const done = (error: Error | null, message?: Message) => {
        clearTimeout(timer)
        this.#child.off('message', onMessage).off('exit', onExit)
        if (error) this.kill()
        error ? reject(error) : resolve(message as Message)
      }
      const onMessage = (message: Message) => done(message.failed === undefined ? null : new Error(message.failed), message)
      const onExit = (code: number | null, signal: string | null) =>
        done(new Error(`its process ended (${signal ?? `code ${code}`}): ${this.#errors.trim().split('\n').at(-1) ?? ''}`))
      const timer = setTimeout(() => done(new Error(`not done after ${timeoutMs / 1000} s`)), timeoutMs)
      this.#child.on('message', onMessage).on('exit', onExit)
    })
  }
}
