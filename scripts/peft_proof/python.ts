import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { userCache } from '../../src/io'

const requirements = 'scripts/peft_proof/requirements.txt'
const windows = process.platform === 'win32'

/** The Python that CONDLORA_PYTHON names, else that of a virtual environment with the pinned packages, made once. */
export function findPython(): string {
  if (process.env.CONDLORA_PYTHON) return process.env.CONDLORA_PYTHON
  const digest = createHash('sha256').update(readFileSync(requirements)).digest('hex')
  const folder = join(userCache()?.name ?? '', `peft-proof-${digest.slice(0, 12)}`)
  const python = join(folder, windows ? 'Scripts/python.exe' : 'bin/python')
  const complete = join(folder, 'complete')
  if (existsSync(complete)) return python
  console.log(
    `Making a virtual environment with PyTorch, transformers and peft in ${folder}: about 6 GB on the disk (Linux), 3 GB to download. ` +
      'CONDLORA_PYTHON=/path/to/python takes one that has them.',
  )
  // What an install that broke off left behind.
  rmSync(folder, { recursive: true, force: true })
  run(windows ? 'python' : 'python3', ['-m', 'venv', folder])
  run(python, ['-m', 'pip', 'install', '--disable-pip-version-check', '--only-binary', ':all:', '--requirement', requirements])
  writeFileSync(complete, '')
  return python
}

function run(command: string, args: string[]): void {
  const { status, error } = spawnSync(command, args, { stdio: 'inherit' })
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${error?.message ?? `ended with exit code ${status}`}`)
}
