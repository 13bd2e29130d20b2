import { CommanderError } from 'commander'

/** A mistake on the command line or in a config file: exit code 2. */
export class UsageError extends Error {
  override name = 'UsageError'
}

/** Ctrl-C or SIGTERM: exit code 130. */
export class Interrupted extends Error {
  override name = 'Interrupted'
}

export const exitCodes = { failure: 1, usage: 2, interrupted: 130 }

/** Says on stderr, in one line, what went wrong; gives the exit code. Commander has had its say already. */
export function reportFailure(thrown: unknown, debug: boolean): number {
  if (thrown instanceof CommanderError) return thrown.exitCode === 0 ? 0 : exitCodes.usage
  const error = thrown instanceof Error ? thrown : new Error(String((thrown as { message?: unknown } | null)?.message ?? thrown))
  if (error instanceof Interrupted) {
    process.stderr.write(`${error.message}\n`)
    return exitCodes.interrupted
  }
  process.stderr.write(debug ? `condlora: ${error.stack}\n` : `condlora: ${error.message}\n`)
  return error instanceof UsageError ? exitCodes.usage : exitCodes.failure
}
