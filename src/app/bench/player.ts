import { type Case, kindOf, rowKey } from '../../../bench/case'
import type { Plan } from '../../../bench/cases'
import type { Outcome } from '../../../bench/measure'
import { Speed } from '../../../bench/speed'
import type { Answer, Ask, Opened } from './protocol'

// Phones and browsers' watchdogs: nothing that is predicted to take longer.
const limitSeconds = 10

/** A participant as the page sees it. */
export class Player {
  opened: Opened | null = null
  /** Why it does not take part. */
  trouble = ''
  readonly #speed = new Speed()
  readonly #worker: Worker
  #give: (answer: Answer) => void = () => {}
  #refuse: (reason: unknown) => void = () => {}

  /** Once `signal` is aborted its worker is gone, and what was asked or will be rejects with the signal's reason. */
  constructor(
    readonly name: string,
    readonly signal: AbortSignal,
  ) {
    this.#worker = new Worker(new URL('bench-worker.js', import.meta.url), { type: 'module', name })
    this.#worker.onmessage = ({ data }: MessageEvent<Answer>) => this.#give(data)
    signal.addEventListener('abort', () => this.end())
    this.#worker.onerror = (event) => this.#give({ failed: event.message || 'its worker could not be loaded' })
  }

  async open(): Promise<void> {
    const answer = await this.#ask({ ask: 'open', name: this.name })
    if ('opened' in answer) this.opened = answer.opened
    else if ('failed' in answer) this.trouble = answer.failed
  }

  async play(row: Case, plan: Plan): Promise<Outcome> {
    const reason = this.trouble || this.opened?.cannot[kindOf(row.work)]
    if (reason) return { status: 'failed', message: reason }
    const seconds = this.#speed.predict(row)
    if (seconds > limitSeconds) return { status: 'left out', seconds }
    const answer = await this.#ask({ ask: 'row', key: rowKey(row), plan, effort: { budgetMs: 800, most: 9 } })
    if ('outcome' in answer) {
      this.#speed.learn(row, answer.outcome)
      return answer.outcome
    }
    return { status: 'failed', message: 'failed' in answer ? answer.failed : 'another answer than was asked for' }
  }

  async doctor(): Promise<{ ok: boolean; text: string } | null> {
    const answer = await this.#ask({ ask: 'doctor' })
    return 'doctor' in answer ? { ok: answer.doctor.json.ok, text: answer.doctor.text } : null
  }

  end(): void {
    this.#worker.terminate()
    this.#refuse(this.signal.reason)
  }

  async #ask(message: Ask): Promise<Answer> {
    this.signal.throwIfAborted()
    return await new Promise((resolve, reject) => {
      this.#give = resolve
      this.#refuse = reject
      this.#worker.postMessage(message)
    })
  }
}
