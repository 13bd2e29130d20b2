import type { CallName, Calls, Event, Reply, Request } from '../protocol'

/** What the worker answered with instead of a result. */
export class CallError extends Error {
  constructor(
    override readonly name: string,
    message: string,
  ) {
    super(message)
  }
}

interface Waiting {
  resolve: (result: never) => void
  reject: (error: Error) => void
}

/** Typed calls to the worker; when it dies, all that wait are told, and `restart` begins anew. */
export class Client {
  #worker: Worker | null = null
  #calls = 0
  readonly #waiting = new Map<number, Waiting>()

  /**
   * @param make a new worker
   * @param hear told of what the worker says unasked
   * @param died told why the worker is gone
   */
  constructor(
    private readonly make: () => Worker,
    private readonly hear: (event: Event) => void,
    private readonly died: (why: string) => void,
  ) {}

  /** Ends the worker that there is and starts another. */
  restart(): void {
    this.#end('the worker was started again')
    const worker = this.make()
    worker.onmessage = ({ data }: MessageEvent<Reply>) => {
      if (this.#worker === worker) this.#take(data)
    }
    const fail = (why: string) => {
      if (this.#worker !== worker) return
      this.#end(why)
      this.died(why)
    }
    worker.onerror = (event) => fail(event.message || 'its script could not be loaded')
    worker.onmessageerror = () => fail('it sent what this browser cannot read')
    this.#worker = worker
  }

  call<N extends CallName>(call: N, args: Calls[N]['args']): Promise<Calls[N]['result']> {
    return new Promise((resolve, reject) => {
      if (!this.#worker) {
        reject(new CallError('WorkerGone', 'the worker is not running'))
        return
      }
      const id = ++this.#calls
      this.#waiting.set(id, { resolve, reject })
      try {
        this.#worker.postMessage({ id, call, args } as Request)
      } catch (thrown) {
        this.#waiting.delete(id)
        reject(thrown as Error)
      }
    })
  }

  #take(reply: Reply): void {
    if ('event' in reply) {
      this.hear(reply)
      return
    }
    const waiting = this.#waiting.get(reply.id)
    this.#waiting.delete(reply.id)
    if ('failed' in reply) waiting?.reject(new CallError(reply.failed.name, reply.failed.message))
    else waiting?.resolve(reply.result as never)
  }

  #end(why: string): void {
    this.#worker?.terminate()
    this.#worker = null
    const all = [...this.#waiting.values()]
    this.#waiting.clear()
    for (const { reject } of all) reject(new CallError('WorkerGone', why))
  }
}
