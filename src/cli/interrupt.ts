import { exitCodes, Interrupted } from './failure'

export interface Interrupt {
  signal: AbortSignal
  /** Ctrl-C is no longer listened for. */
  end(): void
}

/** Ctrl-C, or SIGTERM: the first aborts `signal`, the second ends the program at once. */
export function onInterrupt(first: string, message: string): Interrupt {
  const controller = new AbortController()
  const listen = () => {
    if (controller.signal.aborted) process.exit(exitCodes.interrupted)
    process.stderr.write(`\n${first}\n`)
    controller.abort(new Interrupted(message))
  }
  const signals = ['SIGINT', 'SIGTERM'] as const
  for (const name of signals) process.on(name, listen)
  return {
    signal: controller.signal,
    end: () => {
      for (const name of signals) process.off(name, listen)
    },
  }
}
