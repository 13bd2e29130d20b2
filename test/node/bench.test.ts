import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Report } from '../../bench/report'
import { assert, test } from '../harness'

declare const TEST_ROOT: string

/** The instrument alone, as `npm run bench -- --rivals none` runs it. */
async function bench(...args: string[]): Promise<{ text: string; json: Report }> {
  const folder = mkdtempSync(join(tmpdir(), 'condlora-bench-'))
  const file = join(folder, 'report.json')
  try {
    const all = [join(TEST_ROOT, 'dist/bench/run.js'), '--quick', '--rivals', 'none', '--json', file, ...args]
    const { stdout } = await promisify(execFile)(process.execPath, all, { timeout: 280_000 })
    return { text: stdout, json: JSON.parse(readFileSync(file, 'utf8')) }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

test('the benchmarks print tables and write rows: group, name, unit, better, ours, rivals', async () => {
  const { text, json } = await bench('--only', 'tiny')
  assert.ok(json.adapter.length > 3 && json.versions.condlora && json.versions.webgpu)
  for (const row of json.rows) {
    assert.ok(row.group && row.name && ['higher', 'lower'].includes(row.better), JSON.stringify(row))
    assert.type(row.unit, 'string')
    assert.ok(row.ours === null ? row.notes.condlora : row.ours > 0, JSON.stringify(row))
    assert.equal(row.rivals, {})
  }
  const row = (group: string, name: string) => json.rows.find((r) => r.group === group && r.name === name)
  const square = row('tiny', 'square 256')
  assert.is(square?.unit, 'GFLOP/s')
  const [low, high, calls] = square?.spread?.condlora ?? [0, 0, 0]
  assert.ok(low <= Number(square?.ours) && Number(square?.ours) <= high && calls >= 1)
  assert.ok(Number(square?.error?.condlora) < 1e-5)
  assert.ok(text.includes('square 256'))
  // A step in a process of its own tells what it cost besides time.
  const extra = json.rows.filter((r) => r.name === 'tiny 2×16 CondLoRA').map((r) => r.group)
  assert.equal(extra, [
    'tiny',
    'cpu a step',
    'peak process memory',
    'peak bytes of GPU buffers',
    'dispatches a step',
    'submits a step',
    'pipelines',
    'process start to first step',
  ])
  assert.ok(Number(row('dispatches a step', 'tiny 2×16 CondLoRA')?.ours) > 20)
})

test('a wrong result is reported as WRONG and has no speed', async () => {
  const { text, json } = await bench('--only', 'tiny', '--wrong')
  const measured = json.rows.filter((r) => !/not yet|not run here/.test(r.notes.condlora ?? ''))
  assert.ok(measured.length >= 4)
  for (const { name, ours, notes, spread } of measured) {
    assert.is(ours, null, name)
    assert.match(notes.condlora, /^WRONG: relative error \d/)
    assert.equal(spread, {})
  }
  assert.match(text, /\| square 256, GFLOP\/s +\| WRONG/)
})

test('what would take too long is predicted, not run', async () => {
  const { json } = await bench('--only', 'tiny', '--limit', '1e-9')
  for (const { name, ours, notes } of json.rows) {
    assert.is(ours, null, name)
    assert.match(notes.condlora, /^not run here: predicted \S+ s$/)
  }
})

test('an unknown rival, group or limit is an error that names what there is', async () => {
  const fails = (args: string[], message: RegExp) => assert.rejects(bench(...args), message)
  await fails(['--rivals', 'torch'], /--rivals: there is no "torch"; there are jax-js, tfjs/)
  await fails(['--only', 'cooking'], /--only: there is no group "cooking"; there are roofline, matmul/)
  await fails(['--limit', 'soon'], /--limit: wanted seconds, got "soon"/)
})
