import { join } from 'node:path'
import { runFile } from '../driver'
import { assert, test } from '../harness'
import { adapterProblem } from '../records'

declare const TEST_ROOT: string

for (const name of ['gpu_error', 'undefined', 'hook', 'never', 'exit', 'no_tests'])
  test(`the driver sees that bad/${name} fails`, async () => {
    const result = await runFile(join(TEST_ROOT, 'dist/test/node/bad', `${name}.js`), 20_000)
    assert.ok(result.failed >= 1, JSON.stringify(result))
  })

test('a leg that asks for an adapter fails on another one and on none', () => {
  const seen = ['llvmpipe: Mesa 25']
  assert.is(adapterProblem(undefined, []), undefined)
  assert.is(adapterProblem('LLVMpipe', seen), undefined)
  assert.match(adapterProblem('swiftshader', seen) ?? '', /wanted the adapter swiftshader, .* llvmpipe/)
  assert.match(adapterProblem('llvmpipe', [...seen, 'SwiftShader']) ?? '', /ran on SwiftShader/)
  assert.match(adapterProblem('llvmpipe', []) ?? '', /ran on none/)
})
