import { shaders } from 'condlora:build'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { assert, test } from '../harness'

declare const TEST_ROOT: string

test('the list of kernels that are compiled in tests is the folder', () => {
  const files = readdirSync(join(TEST_ROOT, 'shaders')).filter((f) => f.endsWith('.wgsl'))
  assert.equal(files.map((f) => f.replace('.wgsl', '')).sort(), Object.keys(shaders).sort())
})
