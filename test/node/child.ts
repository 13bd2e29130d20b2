import { spawn } from 'node:child_process'
import { join } from 'node:path'

declare const TEST_ROOT: string

export interface Outcome {
  code: number | null
  signal: string | null
  output: string
}

/** Runs test/node/child/{name}.ts as a process of its own; one that does not end is killed. */
export function runChild(name: string, args: string[] = [], options: { env?: NodeJS.ProcessEnv; flags?: string[] } = {}): Promise<Outcome> {
  const { env = process.env, flags = [] } = options
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [...flags, join(TEST_ROOT, 'dist/test/node/child', `${name}.js`), ...args], {
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let output = ''
    child.stdout.on('data', (d) => (output += d))
    child.stderr.on('data', (d) => (output += d))
    const timer = setTimeout(() => child.kill('SIGKILL'), 240_000)
    child.on('close', (code, signal) => {
      clearTimeout(timer)
      resolve({ code, signal, output })
    })
  })
}

/**
 * Growth from a reading to the next: the middle one of the slopes of all pairs (Theil and Sen), which an allocator's
 * jumps up and down leave where it is, and a leak does not.
 */
export function typicalGrowth(readings: readonly number[]): number {
  const slopes = readings.flatMap((value, i) => readings.slice(0, i).map((earlier, j) => (value - earlier) / (i - j)))
  return slopes.sort((a, b) => a - b)[slopes.length >> 1]
}
