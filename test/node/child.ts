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
    const timer = setTimeout(() => child.kill('SIGKILL'), 60_000)
    child.on('close', (code, signal) => {
      clearTimeout(timer)
      resolve({ code, signal, output })
    })
  })
}
