// Runs the built command as a user does, on a tiny model and small tables in a temporary folder.
import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { constants, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fixture } from '../harness'
import { tinyFiles, wordTask } from '../tiny'

declare const TEST_ROOT: string

export interface Result {
  code: number | null
  out: string
  err: string
}

export interface RunOptions {
  cwd: string
  input?: string
  env?: Record<string, string>
  /** Looks at what has come so far, and may send signals. */
  watch?: (child: { kill(signal: NodeJS.Signals): boolean }, err: string) => void
}

export const bin = join(TEST_ROOT, 'dist/cli/condlora.js')

export function condlora(args: string[], { cwd, input, env, watch }: RunOptions): Promise<Result> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [bin, ...args], {
      cwd,
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, NO_COLOR: '1', HF_HUB_OFFLINE: '1', ...env },
    })
    let [out, err] = ['', '']
    const timer = watch && setInterval(() => watch(child, err), 5)
    child.stdout.on('data', (d) => (out += d))
    child.stderr.on('data', (d) => (err += d))
    child.stdin.on('error', () => {}) // it may end before it has read all
    child.stdin.end(input ?? '')
    child.on('close', (code, signal) => {
      clearInterval(timer)
      // As a shell has it.
      resolve({ code: signal ? 128 + constants.signals[signal] : code, out, err: ownLines(err) })
    })
  })
}

/** Dawn itself warns on stderr where there is no Vulkan loader, and of some drivers' limits. */
function ownLines(err: string): string {
  return err
    .replace(/Warning: Couldn't load Vulkan: .*\n {4}at operator\(\) .*\n\n?/g, '')
    .replace(/^Warning: max\w+ artificially reduced .*\n/gm, '')
}

/** A folder with the model `tiny`, train.csv and dev.csv; gone after `work`. */
export async function inFolder<T>(work: (cwd: string) => Promise<T>, rows = 24): Promise<T> {
  const cwd = mkdtempSync(join(tmpdir(), 'condlora-cli-'))
  try {
    mkdirSync(join(cwd, 'tiny'))
    const files = tinyFiles()
    for (const name of await files.list()) writeFileSync(join(cwd, 'tiny', name), await files.read(name))
    for (const name of ['tokenizer.json', 'tokenizer_config.json'])
      writeFileSync(join(cwd, 'tiny', name), await fixture(`models/roberta-mini/${name}`))
    writeFileSync(join(cwd, 'train.csv'), csv(rows, 3))
    writeFileSync(join(cwd, 'dev.csv'), csv(12, 9))
    return await work(cwd)
  } finally {
    rmSync(cwd, { recursive: true, force: true })
  }
}

export function csv(rows: number, seed: number): string {
  const lines = wordTask(rows, seed).rows.map(({ text, label }) => `${text},${label ? 'spam' : 'ham'}`)
  return `text,label\n${lines.join('\n')}\n`
}

export const readJson = (...path: string[]) => JSON.parse(readFileSync(join(...path), 'utf8'))
export const jsonLines = (text: string): Record<string, string | number>[] =>
  text
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line))

export const trainArgs = [
  'train',
  '--model',
  'tiny',
  '--train',
  'train.csv',
  '--validation',
  'dev.csv',
  '--lr',
  '1e-2',
  '--batch-size',
  '4',
]
