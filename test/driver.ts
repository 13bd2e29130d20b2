// Runs one bundled test file in a process of its own and judges it by its records, not by its exit code alone.
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const fileLimit = Number(process.env.CONDLORA_FILE_LIMIT_MS ?? 600_000)

interface Entry {
  event: 'registered' | 'finished' | 'crashed'
  name?: string
  ok?: boolean
  error?: string
}

export interface FileResult {
  passed: number
  failed: number
  problems: string[]
}

/** Runs one bundled test file and counts what really finished. */
export async function runFile(file: string, limitMs = fileLimit): Promise<FileResult> {
  const folder = mkdtempSync(join(tmpdir(), 'condlora-test-'))
  const records = join(folder, 'records')
  writeFileSync(records, '')
  const end = await new Promise<string>((resolve) => {
    const child = spawn(process.execPath, [file], { env: { ...process.env, CONDLORA_RECORDS: records }, stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    child.stdout.on('data', (d) => (output += d))
    child.stderr.on('data', (d) => (output += d))
    const timer = setTimeout(() => child.kill('SIGKILL'), limitMs)
    child.on('close', (code, signal) => {
      clearTimeout(timer)
      resolve(code === 0 ? '' : `ended with ${signal ?? `exit code ${code}`}: ${output.slice(-1500)}`)
    })
  })
  const entries = readFileSync(records, 'utf8')
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Entry)
  rmSync(folder, { recursive: true, force: true })
  return judge(entries, end)
}

function judge(entries: Entry[], end: string): FileResult {
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
  if (!problems.length && end) problems.push(end)
  else if (end && missing.length) problems.push(end)
  return { passed, failed: problems.length ? Math.max(1, finished.length - passed + missing.length) : 0, problems }
}
