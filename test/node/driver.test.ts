import { join } from 'node:path'
import { runFile } from '../driver'
import { assert, test } from '../harness'

declare const TEST_ROOT: string

for (const name of ['gpu_error', 'undefined', 'hook', 'never', 'exit', 'no_tests'])
  test(`the driver sees that bad/${name} fails`, async () => {
    const result = await runFile(join(TEST_ROOT, 'dist/test/node/bad', `${name}.js`), 20_000)
    assert.ok(result.failed >= 1, JSON.stringify(result))
  })
