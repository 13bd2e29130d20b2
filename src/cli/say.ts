import type { Common } from './flags'

/** Lines about what is going on go to stderr, unless --quiet. */
export function speaker({ quiet }: Common): (line: string) => void {
  return quiet ? () => {} : (line) => process.stderr.write(`${line}\n`)
}

/** Passes each line on once: what several runs say alike. */
export function once(say: (line: string) => void): (line: string) => void {
  const said = new Set<string>()
  return (line) => {
    if (!said.has(line)) say(line)
    said.add(line)
  }
}

/** Results go to stdout. */
export function print(text: string): void {
  process.stdout.write(`${text}\n`)
}
