import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { assert, rng, test } from '../harness'

declare const TEST_ROOT: string

/** Starts the child; `onLine` gets each line that it prints. Resolves with exit code or signal when it has ended. */
function train(folder: string, how: string[], onLine: (line: string, child: ChildProcess) => void): Promise<number | string | null> {
  const child = spawn(process.execPath, [join(TEST_ROOT, 'dist/test/node/child/train.js'), folder, ...how], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, CONDLORA_RECORDS: '' },
  })
  let [rest, errors] = ['', '']
  child.stderr.on('data', (d) => (errors += d))
  child.stdout.on('data', (d) => {
    const lines = `${rest}${d}`.split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) onLine(line, child)
  })
  return new Promise((resolve, reject) =>
    child.on('close', (code, signal) => {
      if (code) reject(new Error(`the child ended with ${code}: ${errors.slice(-2000)}`))
      else resolve(signal ?? code)
    }),
  )
}

/** Kills the child some milliseconds after it has made some steps; gives the last step that it told of. It makes two more at most. */
async function killAfter(folder: string, steps: number, ms: number): Promise<number> {
  let [seen, last] = [0, 0]
  const end = await train(folder, [`${steps + 2}`], (line, child) => {
    const step = /^step (\d+)$/.exec(line)?.[1]
    if (!step) return
    last = Number(step)
    if (++seen === steps) setTimeout(() => child.kill('SIGKILL'), ms)
  })
  assert.is(end, 'SIGKILL')
  return last
}

/** The files of a folder and those below. A kill between a checkpoint's last file and its folder leaves that empty, which is nothing. */
const listed = (folder: string) =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
    .sort()

test(
  'killed at ten random moments, one of them in the middle of a checkpoint, and resumed: the adapter is the same byte for byte',
  underKills,
  { timeoutMs: 900_000 },
)

async function underKills(): Promise<void> {
  const random = rng()
  const root = mkdtempSync(join(tmpdir(), 'condlora-kill-'))
  try {
    const [whole, killed] = [join(root, 'whole'), join(root, 'killed')]
    assert.is(await train(whole, [], () => {}), 0)
    const moments: string[] = []
    for (let kill = 0; kill < 10; kill++) {
      if (kill === 4) {
        assert.is(await train(killed, ['half'], (line, child) => line === 'half' && child.kill('SIGKILL')), 'SIGKILL')
        assert.ok(
          listed(killed).some((f) => f.endsWith('.tmp')),
          'a file is half-written',
        )
        moments.push('in a checkpoint')
        continue
      }
      const [steps, ms] = [random.int(1, 4), random.int(0, 60)]
      moments.push(`${ms} ms after step ${await killAfter(killed, steps, ms)}`)
    }
    console.log(`    killed ${moments.join(', ')}`)
    const steps: string[] = []
    // It ends by itself, with nothing closed by hand.
    assert.is(await train(killed, [], (line) => steps.push(line)), 0)
    assert.ok(steps.length > 1 && steps[0] !== 'step 1' && steps.includes('step 60'), steps.join())
    assert.is(`${listed(killed)}`, `${listed(whole)}`)
    for (const name of ['adapter/adapter_model.safetensors', 'adapter/adapter_config.json', 'checkpoint-60/optimizer.safetensors'])
      assert.ok(readFileSync(join(killed, name)).equals(readFileSync(join(whole, name))), name)
  } finally {
    rmSync(root, { recursive: true, force: true })
  }
}
