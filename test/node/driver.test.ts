import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { runFile } from '../driver'
import { assert, test } from '../harness'
import { adapterProblem, judge, parseEntries } from '../records'

declare const TEST_ROOT: string

const bad = ['gpu_error', 'undefined', 'hook', 'never', 'exit', 'import', 'no_tests']
const folder = join(TEST_ROOT, 'dist/test/node/bad')

for (const name of bad)
  test(`the driver sees that bad/${name} fails`, async () => {
    const result = await runFile(join(folder, `${name}.js`), 120_000)
    assert.ok(result.failed >= 1, JSON.stringify(result))
  })

test('the driver says why a file could not be loaded', async () => {
  const { problems } = await runFile(join(folder, 'import.js'), 120_000)
  assert.match(problems.join(), /the file has no tests.*cannot be loaded/s)
})

test('half a record is a failure, and what came before it counts', () => {
  const text = '{"event":"registered","name":"a"}\n{"event":"finished","name":"a","ok":true}\n{"event":"regis'
  const { passed, failed, problems } = judge(parseEntries(text), 'ended with SIGKILL')
  assert.equal([passed, failed], [1, 1])
  assert.match(problems.join(), /half a record: \{"event":"regis/)
})

/** The suite of dist/gpu with the bad files in it, run as a program. */
function runSuite(...names: string[]) {
  const cwd = mkdtempSync(join(tmpdir(), 'condlora-suite-'))
  const { status, stdout } = spawnSync(process.execPath, [join(folder, 'suite.js'), ...names], { cwd, encoding: 'utf8', timeout: 120_000 })
  rmSync(cwd, { recursive: true, force: true })
  const [last] = stdout.trimEnd().split('\n').slice(-1)
  return { status, last }
}

for (const name of bad)
  test(`the suite for GPU machines sees that bad/${name} fails`, () => {
    const { status, last } = runSuite(`bad/${name}`)
    assert.match(last, /^0 passed, [12] failed$/)
    assert.is(status, 1)
  })

test('the suite for GPU machines counts what passed and goes on after a failure', () => {
  assert.equal(runSuite('ops/scale'), { status: 0, last: '1 passed, 0 failed' })
  assert.equal(runSuite('bad/undefined', 'ops/scale'), { status: 1, last: '1 passed, 1 failed' })
  assert.equal(runSuite('no such file'), { status: 1, last: '0 passed, 1 failed' })
})

test('a leg that asks for an adapter fails on another one and on none', () => {
  const seen = ['llvmpipe: Mesa 25']
  assert.is(adapterProblem(undefined, []), undefined)
  assert.is(adapterProblem('LLVMpipe', seen), undefined)
  assert.match(adapterProblem('swiftshader', seen) ?? '', /wanted the adapter swiftshader, .* llvmpipe/)
  assert.match(adapterProblem('llvmpipe', [...seen, 'SwiftShader']) ?? '', /ran on SwiftShader/)
  assert.match(adapterProblem('llvmpipe', []) ?? '', /ran on none/)
})
