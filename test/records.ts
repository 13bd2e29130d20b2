/** What the harness reports while a test file runs. */
export interface Entry {
  event: 'registered' | 'finished' | 'crashed' | 'adapter' | 'ended'
  name?: string
  ok?: boolean
  ms?: number
  error?: string
  /** Of an adapter: features and limits of the leg's device; not said of a device with options of its own. */
  device?: string
}

export interface FileResult {
  passed: number
  failed: number
  problems: string[]
  /** The adapters that the tests ran on, with features and limits where known, else ''. */
  adapters: Map<string, string>
}

/** Records, one JSON a line. A process that was killed may have left half a line. */
export function parseEntries(text: string): Entry[] {
  return text
    .split('\n')
    .filter(Boolean)
    .map((line) => {
      try {
        return JSON.parse(line) as Entry
      } catch {
        return { event: 'crashed', error: `half a record: ${line}` }
      }
    })
}

/** Counts what really finished; `end` says how the process ended if not well. */
export function judge(entries: Entry[], end: string): FileResult {
  const registered = entries.filter((e) => e.event === 'registered')
  const finished = entries.filter((e) => e.event === 'finished')
  const passed = finished.filter((e) => e.ok).length
  const problems = [
    ...finished.filter((e) => !e.ok).map((e) => `${e.name}: ${e.error}`),
    ...entries.filter((e) => e.event === 'crashed').map((e) => `crashed: ${e.error}`),
  ]
  const missing = registered.filter((r) => !finished.some((f) => f.name === r.name))
  for (const { name } of missing) problems.push(`${name}: registered, but never finished`)
  if (!registered.length) problems.push('the file has no tests')
  // How the process ended says nothing new about tests that failed by themselves.
  if (end && (!problems.length || missing.length || !registered.length)) problems.push(end)
  const failed = problems.length ? Math.max(1, finished.length - passed + missing.length) : 0
  return { passed, failed, problems, adapters: adapters(entries) }
}

function adapters(entries: Entry[]): Map<string, string> {
  const seen = new Map<string, string>()
  for (const { event, name = '', device } of entries) if (event === 'adapter') seen.set(name, seen.get(name) || device || '')
  return seen
}

/** A leg that asks for an adapter must not pass on another one, nor on none. */
export function adapterProblem(wanted: string | undefined, seen: string[]): string | undefined {
  if (!wanted) return undefined
  const others = seen.filter((name) => !name.toLowerCase().includes(wanted.toLowerCase()))
  if (seen.length && !others.length) return undefined
  return `wanted the adapter ${wanted}, the tests ran on ${others.join(' and ') || 'none'}`
}
