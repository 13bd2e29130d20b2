import type { Common } from './flags'

/** Lines about what is going on go to stderr, unless --quiet. */
export function speaker({ quiet }: Common): (line: string) => void {
  return quiet ? () => {} : (line) => process.stderr.write(`${line}\n`)
}

/** Results go to stdout. */
export function print(text: string): void {
  process.stdout.write(`${text}\n`)
}
