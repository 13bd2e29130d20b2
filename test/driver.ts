// Runs one bundled test file in a process of its own and judges it by its records, not by its exit code alone.
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type FileResult, judge, parseEntries } from './records'

const fileLimit = Number(process.env.CONDLORA_FILE_LIMIT_MS ?? 1_200_000)

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
  const entries = parseEntries(readFileSync(records, 'utf8'))
  rmSync(folder, { recursive: true, force: true })
  return judge(entries, end)
}
