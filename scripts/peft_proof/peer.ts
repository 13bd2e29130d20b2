import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'

/** peer.py in a process of its own: a request a line, an answer a line. */
export class Peer {
  readonly #child: ChildProcess
  readonly #waiting: { resolve: (result: unknown) => void; reject: (error: Error) => void }[] = []
  #stderr = ''
  #ended: Error | undefined

  constructor(python: string) {
    // Its numbers are the processor's, and it fetches nothing.
    const env = { ...process.env, CUDA_VISIBLE_DEVICES: '', HF_HUB_OFFLINE: '1', TOKENIZERS_PARALLELISM: 'false' }
    this.#child = spawn(python, ['scripts/peft_proof/peer.py'], { env, stdio: ['pipe', 'pipe', 'pipe'] })
    const { stdin, stdout, stderr } = this.#child
    stdin?.on('error', () => {}) // how the process ended says more
    stderr?.on('data', (text) => (this.#stderr = `${this.#stderr}${text}`.slice(-4000)))
    createInterface({ input: stdout as NodeJS.ReadableStream }).on('line', (line) => this.#answer(line))
    this.#child.on('error', (error) => this.#end(new Error(`${python}: ${error.message}`)))
    this.#child.on('close', (code) => this.#end(new Error(`${python} ended with exit code ${code}:\n${this.#stderr}`)))
  }

  /** Runs the function of this name there. @throws Error with Python's traceback */
  ask<T>(name: string, parameters: Record<string, unknown> = {}): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (this.#ended) return reject(this.#ended)
      this.#waiting.push({ resolve: resolve as (result: unknown) => void, reject })
      this.#child.stdin?.write(`${JSON.stringify({ do: name, ...parameters })}\n`)
    })
  }

  close(): void {
    this.#child.stdin?.end()
  }

  #answer(line: string): void {
    const { error, result } = JSON.parse(line) as { error?: string; result?: unknown }
    const next = this.#waiting.shift()
    if (error === undefined) next?.resolve(result)
    else next?.reject(new Error(error))
  }

  #end(error: Error): void {
    this.#ended ??= error
    for (const { reject } of this.#waiting.splice(0)) reject(this.#ended)
  }
}
