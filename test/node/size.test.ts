import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { assert, test } from '../harness'

declare const TEST_ROOT: string

const measure = (...args: string[]) =>
  promisify(execFile)(process.execPath, ['.ci/size.mjs', 'dist/test/library', ...args], { cwd: TEST_ROOT })

test('what a page that trains loads stays below 60,000 bytes', async () => {
  const { stdout } = await measure()
  console.log(stdout)
  const [, bytes] = stdout.match(/: (\d+) bytes gzipped, limit 60000/) ?? []
  // Much less would mean that something is not counted.
  assert.ok(Number(bytes) > 40_000)
  assert.match(stdout, /later, when needed: hub_repository: \d{4}/)
  await assert.rejects(() => measure('40000'), /too large by \d+ bytes/)
})

test('the browser library imports nothing but its own pieces, and nothing of Node', async () => {
  const { build } = await import('esbuild')
  const { metafile } = await build({
    entryPoints: ['index', 'ops', 'gpu', 'doctor'].map((name) => join(TEST_ROOT, `dist/test/library/${name}.js`)),
    bundle: true,
    format: 'esm',
    splitting: true,
    outdir: 'out',
    write: false,
    metafile: true,
    packages: 'external',
    logLevel: 'error',
  })
  const outside = Object.values(metafile.inputs).flatMap(({ imports }) =>
    imports.filter(({ external }) => external).map(({ path }) => path),
  )
  assert.equal(outside, [])
})
