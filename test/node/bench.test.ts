import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { replays } from '../../bench/cases/replay'
import type { Report } from '../../bench/report'
import { open, tuning } from '../../bench/rivals/condlora'
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
    assert.equal([row.rivals, row.ratios], [{}, {}])
  }
  const row = (group: string, name: string) => json.rows.find((r) => r.group === group && r.name === name)
  const square = row('tiny', 'square 256')
  assert.is(square?.unit, 'GFLOP/s')
  const [low, high, calls] = square?.spread?.condlora ?? [0, 0, 0]
  assert.ok(low <= Number(square?.ours) && Number(square?.ours) <= high && calls >= 1)
  assert.ok(Number(square?.error?.condlora) < 1e-5)
  assert.match(String(square?.variant), /^[a-z]/)
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
    'compiling the pipelines',
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

test('rows with half floats are there where the device has them, and right as half floats go', async () => {
  const { json } = await bench('--only', 'tiny', '--rows', '6').then(
    (found) => found,
    () => ({ json: null }),
  )
  const half = json?.rows.filter((r) => r.group === 'tiny' && /f(p)?16$/.test(r.name)) ?? []
  if (!half.length)
    return assert.rejects(bench('--only', 'half precision'), /there is no group "half precision" here: it wants a device with shader-f16/)
  assert.equal(
    half.map((r) => r.name),
    ['square 256 f16', 'tiny 2×16 LoRA fp16', 'tiny 2×16 CondLoRA fp16'],
  )
  for (const { name, ours, error } of half) {
    assert.ok(Number(ours) > 0, name)
    // Not f32 by mistake.
    assert.ok(Number(error?.condlora) > 1e-5 && Number(error?.condlora) < 2e-3, `${name}: ${error?.condlora}`)
  }
})

test('figures of PyTorch stand beside ours, with the ratio', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'condlora-torch-'))
  try {
    const file = join(folder, 'torch.json')
    const rows = [
      { group: 'tiny', name: 'square 256', unit: 'GFLOP/s', rivals: { 'torch f32': 0.001 }, notes: { 'torch bf16': 'RuntimeError: no' } },
      { group: 'elsewhere', name: 'square 256', unit: 'GFLOP/s', rivals: { 'torch f32': 7 }, notes: {} },
    ]
    writeFileSync(file, JSON.stringify({ adapter: 'Some GPU', versions: { torch: '9.9' }, rows }))
    const { text, json } = await bench('--only', 'tiny', '--rows', 'square 256', '--with', file)
    const [{ ours, rivals, ratios, notes }] = json.rows
    assert.equal(rivals, { 'torch f32': 0.001 })
    assert.is(ratios['torch f32'], Number((Number(ours) / 0.001).toPrecision(4)))
    assert.is(notes['torch bf16'], 'RuntimeError: no')
    assert.equal([json.adapters['torch f32'], json.versions.torch], ['torch, on Some GPU', '9.9'])
    assert.match(text, /torch f32: torch, on Some GPU[\s\S]*\| 0\.00100 \(\d+×\)/)
    writeFileSync(file, '{}')
    await assert.rejects(bench('--with', file), /--with: \S+ is no report of bench\/pytorch\.py/)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})

test('what a dispatch costs replayed is held against making its bind group, by medians of many calls', async () => {
  const { json } = await bench('--only', 'replay')
  const [replayed, made] = replays.map(({ name }) => json.rows.find((r) => r.name === name))
  for (const row of [replayed, made]) assert.is(row?.spread?.condlora[2], replays[0].calls)
  const { ours, unit } = json.rows[2]
  assert.is(unit, '×')
  assert.is(ours, Number(made?.ours) / Number(replayed?.ours))
  assert.ok(Number(ours) > 1, String(ours))
})

test('on a GPU the tuner chooses the kernels of products, and the row tells which', async () => {
  const [folder, before] = [mkdtempSync(join(tmpdir(), 'condlora-tuned-')), process.env.XDG_CACHE_HOME]
  process.env.XDG_CACHE_HOME = folder
  const { device, jobs } = await open({ software: true })
  const { budget } = tuning
  tuning.budget = () => () => 60
  try {
    Object.defineProperty(device, 'software', { value: false })
    const product = await jobs.matmul?.({ kind: 'matmul', batch: 1, m: 64, n: 64, k: 64, transposeA: false, transposeB: false })
    const found = JSON.parse(readFileSync(join(folder, 'condlora/tuner.json'), 'utf8'))
    assert.match(JSON.stringify(found), /A·B 64×64×64/)
    assert.ok(JSON.stringify(found).includes(`"${product?.variant}"`), product?.variant)
    const backward = await jobs.conversion?.({ kind: 'conversion', layers: 2, n: 64, r: 8, backward: true })
    for (const job of [product, backward]) {
      await job?.run()
      assert.ok((await job?.read())?.every((x) => x.every(Number.isFinite) && x.some((v) => v !== 0)))
      job?.dispose?.()
    }
  } finally {
    tuning.budget = budget
    device.destroy()
    rmSync(folder, { recursive: true, force: true })
    if (before === undefined) delete process.env.XDG_CACHE_HOME
    else process.env.XDG_CACHE_HOME = before
  }
})
