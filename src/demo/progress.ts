import { Presets, SingleBar } from 'cli-progress'

export interface Progress {
  /** `note` stands behind the bar, e.g. the loss. `eta` in seconds, where known. */
  update(done: number, note: string): void
  end(): void
}

/** A bar with ETA on a terminal, elsewhere a plain line every ten seconds. */
export function progress(label: string, total: number): Progress {
  return process.stdout.isTTY ? bar(label, total) : lines(label, total)
}

function bar(label: string, total: number): Progress {
  const made = new SingleBar(
    { format: `  ${label.padEnd(22)} {bar} {value}/{total}  {eta_formatted} left  {note}`, clearOnComplete: true, hideCursor: true },
    Presets.rect,
  )
  made.start(total, 0, { note: '' })
  return { update: (done, note) => made.update(done, { note }), end: () => made.stop() }
}

function lines(label: string, total: number): Progress {
  const start = performance.now()
  let printed = start
  return {
    update: (done, note) => {
      const now = performance.now()
      if (now - printed < 10_000 || !done) return
      printed = now
      const left = ((now - start) / done) * (total - done)
      console.log(`  ${label} ${done}/${total}, ${Math.round(left / 1000)} s left${note ? `, ${note}` : ''}`)
    },
    end: () => {},
  }
}
