// Builds with esbuild: `node build.mjs` the library, `test` the tests, `demo` what `npm start` runs, `gpu` bundles for a bare GPU machine, `scripts` what is run by hand.
import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, readdirSync, rmSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { build } from 'esbuild'

const mode = process.argv[2] ?? 'library'

const common = {
  bundle: true,
  format: 'esm',
  target: 'es2022',
  loader: { '.wgsl': 'text' },
  logLevel: 'warning',
}
const node = { ...common, platform: 'node', packages: 'external' }

// One file differs between Node and browsers: './x.node' becomes './x.browser'.
const browserFiles = {
  name: 'browser-files',
  setup: (b) =>
    b.onResolve({ filter: /\.node$/ }, ({ path, resolveDir }) => ({ path: join(resolveDir, `${path.replace(/\.node$/, '.browser')}.ts`) })),
}

// The hub's package names its browser build in a field that esbuild passes over, and its uploads' hashing has no side effects.
const browserHub = {
  name: 'browser-hub',
  setup: (b) => {
    b.onResolve({ filter: /^@huggingface\/hub$/ }, () => ({
      path: resolve('node_modules/@huggingface/hub/dist/browser/index.mjs'),
      sideEffects: false,
    }))
    b.onResolve({ filter: /^@huggingface\/xetchunk-wasm$/ }, ({ path }) => ({ path, external: true, sideEffects: false }))
  },
}

function files(folder, suffix) {
  if (!existsSync(folder)) return []
  return readdirSync(folder, { recursive: true })
    .map((f) => join(folder, String(f)))
    .filter((f) => f.endsWith(suffix))
}

async function library() {
  const entryPoints = { index: 'src/index.ts', ops: 'src/ops/index.ts', gpu: 'src/gpu/index.ts' }
  rmSync('dist/lib', { recursive: true, force: true })
  rmSync('dist/types', { recursive: true, force: true })
  await build({ ...node, entryPoints, outdir: 'dist/lib/node', splitting: true })
  await build({
    ...common,
    platform: 'browser',
    entryPoints,
    outdir: 'dist/lib/browser',
    splitting: true,
    minify: true,
    plugins: [browserFiles, browserHub],
    packages: 'external',
  })
  execFileSync('npx', ['tsc', '-p', 'tsconfig.types.json'], { stdio: 'inherit' })
  cpSync('shaders/wgsl.d.ts', 'dist/types/shaders/wgsl.d.ts')
}

async function demo() {
  await build({ ...node, entryPoints: ['src/demo/main.ts'], outfile: 'dist/demo/demo.js' })
}

async function tests() {
  rmSync('dist/test', { recursive: true, force: true })
  const entryPoints = [...files('test', '.test.ts'), ...files('test/node/bad', '.ts'), 'test/run.ts']
  await build({
    ...node,
    entryPoints,
    outdir: 'dist/test',
    outbase: 'test',
    sourcemap: 'linked',
    define: { TEST_ROOT: JSON.stringify(process.cwd()) },
  })
}

/** For a machine with a GPU and nothing else: every package but `webgpu` and data inside one file each. */
async function gpu() {
  const bundle = {
    ...common,
    platform: 'node',
    external: ['webgpu', '@sparticuz/chromium'],
    loader: { ...common.loader, '.safetensors': 'binary' },
  }
  await build({ ...bundle, entryPoints: ['bench/gpu/ops.ts', 'bench/gpu/demo.ts'], outdir: 'dist/gpu' })
  cpSync('models/roberta-mini', 'dist/gpu/roberta-mini', { recursive: true })
}

/** scripts/NAME/run.ts becomes dist/scripts/NAME.js. */
async function scripts() {
  for (const name of readdirSync('scripts').filter((n) => existsSync(`scripts/${n}/run.ts`)))
    await build({ ...node, entryPoints: [`scripts/${name}/run.ts`], outfile: `dist/scripts/${name}.js` })
}

const modes = {
  library: async () => {
    await library()
    if (existsSync('bench/gpu')) await gpu()
  },
  demo,
  test: tests,
  gpu,
  scripts,
}
if (!modes[mode]) {
  console.error(`build.mjs: unknown mode ${mode}; there are ${Object.keys(modes).join(', ')}`)
  process.exit(2)
}
await modes[mode]()
