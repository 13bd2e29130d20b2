import { Interrupted } from './failure'

export interface Interrupt {
  signal: AbortSignal
  /** Ctrl-C is no longer listened for. */
  end(): void
}

/** Ctrl-C, or SIGTERM: the first aborts `signal`, the second ends the program at once. */
export function onInterrupt(first: string, message: string): Interrupt {
  const controller = new AbortController()
  const { end } = onSignal(() => {
    if (controller.signal.aborted) return false
    process.stderr.write(`\n${first}\n`)
    controller.abort(new Interrupted(message))
    return true
  })
  return { signal: controller.signal, end }
}

/** Runs `work` at Ctrl-C or SIGTERM, then ends the program unless `work` says that it goes on. */
export function onSignal(work: () => boolean): Pick<Interrupt, 'end'> {
  const signals = ['SIGINT', 'SIGTERM'] as const
  const end = () => {
    for (const name of signals) process.off(name, listen)
  }
  const listen = (name: NodeJS.Signals) => {
    if (work()) return
    // By the signal itself (a shell sees 130): leaving with work on the GPU could crash the driver's own clean-up.
    end()
    process.kill(process.pid, name)
  }
  for (const name of signals) process.on(name, listen)
  return { end }
}
