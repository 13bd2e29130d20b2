import { execFile } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { assert, test } from '../harness'

declare const TEST_ROOT: string

test('a kernel, or a form of one, that the doctor does not check fails the build', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'condlora-build-'))
  const build = () =>
    promisify(execFile)(process.execPath, [join(TEST_ROOT, 'build.mjs'), 'demo'], { cwd: folder }).then(
      () => '',
      (failure: { stderr: string }) => failure.stderr,
    )
  try {
    cpSync(join(TEST_ROOT, 'shaders'), join(folder, 'shaders'), { recursive: true })
    cpSync(join(TEST_ROOT, 'package.json'), join(folder, 'package.json'))
    symlinkSync(join(TEST_ROOT, 'src'), join(folder, 'src'))
    assert.is(await build(), '')
    const mse = readFileSync(join(folder, 'shaders/mse.wgsl'), 'utf8')
    writeFileSync(join(folder, 'shaders/mse.wgsl'), mse.replace('FORM 1: out', 'FORM 2: out'))
    assert.match(await build(), /shaders\/mse\.wgsl: main, FORM = 2, has no check/)
    writeFileSync(join(folder, 'shaders/mse.wgsl'), mse)
    writeFileSync(join(folder, 'shaders/later.wgsl'), mse)
    assert.match(await build(), /shaders\/later\.wgsl: the entry point main has no check/)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})
