// The README's code is type-checked against the sources and its examples are run, against a stand-in for the hub.
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { build } from 'esbuild'
import { AutoModelForSequenceClassification } from '../../src/models/auto'
import { getPeftModel } from '../../src/peft'
import { assert, openTestDevice, test } from '../harness'
import { hubServer } from './hub_server'

declare const TEST_ROOT: string

const blocks = [...readFileSync(join(TEST_ROOT, 'README.md'), 'utf8').matchAll(/```ts\n([\s\S]*?)```/g)].map((m) => m[1])
const paths = { condlora: ['src/index.ts'], 'condlora/ops': ['src/ops/index.ts'], 'condlora/gpu': ['src/gpu/index.ts'] }

test('the README has three blocks of TypeScript, and they type-check', () => {
  assert.is(blocks.length, 3)
  const folder = mkdtempSync(join(TEST_ROOT, 'dist', 'readme-'))
  try {
    blocks.forEach((code, i) => writeFileSync(join(folder, `block${i}.ts`), `${code}\nexport {}\n`))
    const absolute = Object.fromEntries(Object.entries(paths).map(([name, [file]]) => [name, [join(TEST_ROOT, file)]]))
    const config = {
      extends: join(TEST_ROOT, 'tsconfig.json'),
      compilerOptions: { rootDir: TEST_ROOT, paths: absolute, types: [join(TEST_ROOT, 'node_modules/@webgpu/types'), 'node'] },
      include: [folder, join(TEST_ROOT, 'shaders/wgsl.d.ts')],
    }
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config))
    const { status, stdout } = spawnSync(process.execPath, [join(TEST_ROOT, 'node_modules/typescript/bin/tsc'), '-p', folder], {
      encoding: 'utf8',
    })
    assert.is(status, 0, stdout)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})

/** Bundles a block in a folder of its own and runs it there; gives what it printed. */
async function run(code: string, prepare: (folder: string) => unknown, env: NodeJS.ProcessEnv = {}): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'condlora-readme-'))
  try {
    await prepare(folder)
    // What build.mjs makes for the library: here nobody looks at it.
    const about = join(folder, 'about.mjs')
    writeFileSync(about, "export const shaders = {}, kernels = '', version = '', webgpuVersion = ''")
    const files = Object.entries(paths).map(([name, [file]]) => [name, join(TEST_ROOT, file)])
    const alias = Object.fromEntries([...files, ['condlora:build', about]])
    const outfile = join(TEST_ROOT, 'dist/test/readme', `${blocks.findIndex((b) => b.slice(0, 60) === code.slice(0, 60))}.mjs`)
    await build({
      stdin: { contents: code.replaceAll('openDevice()', 'openDevice({ software: true })'), loader: 'ts', resolveDir: TEST_ROOT },
      outfile,
      bundle: true,
      format: 'esm',
      platform: 'node',
      alias,
      packages: 'external',
      loader: { '.wgsl': 'text' },
      logLevel: 'error',
    })
    return await new Promise((resolve, reject) => {
      const child = spawn(process.execPath, [outfile], {
        cwd: folder,
        env: { ...process.env, ...env },
        stdio: ['ignore', 'pipe', 'pipe'],
      })
      let [out, err] = ['', '']
      child.stdout.on('data', (d) => (out += d))
      child.stderr.on('data', (d) => (err += d))
      child.on('close', (status) => (status === 0 ? resolve(out) : reject(new Error(`exit code ${status}: ${err.slice(-2000)}`))))
    })
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** models/roberta-mini under the name that the README has. */
async function serveMini() {
  const folder = join(TEST_ROOT, 'models/roberta-mini')
  const files = Object.fromEntries(readdirSync(folder).map((name) => [name, new Uint8Array(readFileSync(join(folder, name)))]))
  return hubServer([{ id: 'FacebookAI/roberta-base', commit: '5'.repeat(40), files, large: ['model.safetensors'] }])
}

test('the example downloads, trains, saves, loads and predicts', async () => {
  const csv = (rows: number) =>
    `text,label\n${Array.from({ length: rows }, (_, i) => (i % 2 ? `"win money, prize ${i}",1` : `see you at work on day ${i},0`)).join('\n')}\n`
  const hub = await serveMini()
  const home = mkdtempSync(join(tmpdir(), 'condlora-home-'))
  const env = { HF_ENDPOINT: hub.url, HF_HOME: home, HF_HUB_CACHE: undefined, HF_HUB_OFFLINE: undefined }
  const prepare = (folder: string) => {
    mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, 'train.csv'), csv(20))
    writeFileSync(join(folder, 'dev.csv'), csv(6))
  }
  const printed = await run(blocks[0], prepare, env).finally(() => hub.close())
  const snapshot = join(home, 'hub/models--FacebookAI--roberta-base/snapshots', '5'.repeat(40))
  assert.ok(existsSync(join(snapshot, 'model.safetensors')))
  rmSync(home, { recursive: true })
  assert.match(printed, /trainable params: 20,866 \(adapter 4,096 \+ head 16,770\)/)
  assert.match(printed, /label: 'LABEL_[01]',\s+score: 0\.\d+/)
})

test('the pipeline example answers by two adapters on one base', async () => {
  const device = await openTestDevice()
  const adapter = async (folder: string, id2label: string[]) => {
    const options = { device, id2label, notice: () => {} }
    const base = await AutoModelForSequenceClassification.fromPretrained(join(TEST_ROOT, 'models/roberta-mini'), options)
    await (await getPeftModel(base, { peftType: 'LORA' })).savePretrained(folder)
  }
  const prepare = async (folder: string) => {
    await adapter(join(folder, 'run/adapter'), ['ham', 'spam'])
    await adapter(join(folder, 'tone/adapter'), ['calm', 'angry', 'glad'])
  }
  const hub = await serveMini()
  const home = mkdtempSync(join(tmpdir(), 'condlora-home-'))
  const env = { HF_ENDPOINT: hub.url, HF_HOME: home, HF_HUB_CACHE: undefined, HF_HUB_OFFLINE: undefined }
  const printed = await run(blocks[1], prepare, env).finally(() => hub.close())
  rmSync(home, { recursive: true })
  assert.match(printed, /\[ \{ label: '(ham|spam)', score: 0\.\d+ \} \]/)
  for (const label of ['calm', 'angry', 'glad']) assert.is(printed.split(`label: '${label}'`).length, 3, printed)
})

test('the autograd example prints 4x³', async () => {
  assert.match(await run(blocks[2], () => {}), /\[ 4, 32, 108 \]/)
})
