// Builds with esbuild: `node build.mjs` the library and the command, `test` the tests, `cli` the command, `demo` what `npm start` runs, `gpu` bundles for a bare GPU machine, `scripts` what is run by hand, `bench` the benchmarks, `page` the pages.
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { build } from 'esbuild'

const mode = process.argv[2] ?? 'library'

/** The kernels as the folder shaders/ has them now. */
function shaderFiles() {
  return files('shaders', '.wgsl').map((path) => ({ name: basename(path, '.wgsl'), path, text: readFileSync(path, 'utf8') }))
}

/** What the doctor does not check of the kernels in shaders/: entry points, forms, flags. */
async function unchecked() {
  const { outputFiles } = await build({ ...plain, entryPoints: ['src/doctor/coverage.ts'], platform: 'neutral', write: false })
  const { uncovered } = await import(`data:text/javascript;base64,${Buffer.from(outputFiles[0].contents).toString('base64')}`)
  return uncovered(Object.fromEntries(shaderFiles().map(({ name, text }) => [name, text])))
}
let gaps

// `condlora:build`: the kernels, their digest, and the versions. A kernel that the doctor does not check fails every build.
const aboutBuild = {
  name: 'about-build',
  setup: (b) => {
    b.onStart(async () => {
      gaps ??= unchecked()
      return { errors: (await gaps).map((text) => ({ text })) }
    })
    b.onResolve({ filter: /^condlora:build$/ }, () => ({ path: 'build', namespace: 'condlora' }))
    b.onLoad({ filter: /^build$/, namespace: 'condlora' }, () => {
      const { version, dependencies } = JSON.parse(readFileSync('package.json', 'utf8'))
      const kernels = shaderFiles()
      const lines = kernels.map(({ path }, i) => `import text${i} from './${path}'`)
      const digest = createHash('sha256').update(JSON.stringify(kernels.map(({ name, text }) => [name, text])))
      lines.push(`export const kernels = '${digest.digest('hex').slice(0, 16)}'`)
      lines.push(`export const shaders = { ${kernels.map(({ name }, i) => `${name}: text${i}`).join(', ')} }`)
      lines.push(`export const version = ${JSON.stringify(version)}, webgpuVersion = ${JSON.stringify(dependencies.webgpu)}`)
      return { contents: lines.join('\n'), resolveDir: '.' }
    })
  },
}

const plain = {
  bundle: true,
  format: 'esm',
  target: 'es2022',
  loader: { '.wgsl': 'text' },
  logLevel: 'warning',
}
const common = { ...plain, plugins: [aboutBuild] }
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

// Kernels for pages: without comments and indentation, which are there for readers.
const shortKernels = {
  name: 'short-kernels',
  setup: (b) =>
    b.onLoad({ filter: /\.wgsl$/ }, ({ path }) => {
      const lines = readFileSync(path, 'utf8').split('\n')
      const short = lines.map((line) => line.replace(/\/\/.*/, '').trim()).filter(Boolean)
      return { contents: `${short.join('\n')}\n`, loader: 'text' }
    }),
}

const browser = { ...common, platform: 'browser', plugins: [aboutBuild, browserFiles, browserHub] }

function files(folder, suffix) {
  if (!existsSync(folder)) return []
  return readdirSync(folder, { recursive: true })
    .map((f) => join(folder, String(f)))
    .filter((f) => f.endsWith(suffix))
}

const entryPoints = { index: 'src/index.ts', ops: 'src/ops/index.ts', gpu: 'src/gpu/index.ts', doctor: 'src/doctor/index.ts' }

async function library() {
  rmSync('dist/lib', { recursive: true, force: true })
  rmSync('dist/types', { recursive: true, force: true })
  await build({ ...node, entryPoints, outdir: 'dist/lib/node', splitting: true })
  await pageLibrary('dist/lib/browser')
  execFileSync('npx', ['tsc', '-p', 'tsconfig.types.json'], { stdio: 'inherit' })
  cpSync('shaders/wgsl.d.ts', 'dist/types/shaders/wgsl.d.ts')
  for (const file of files('dist/types', '.d.ts')) writeFileSync(file, forUsers(file))
}

/** For browsers: with all that it needs inside, so that a page may import it as it is; what is rarely needed is loaded later. */
async function pageLibrary(outdir) {
  const { metafile } = await build({
    ...browser,
    plugins: [...browser.plugins, shortKernels, await inOnePiece()],
    logOverride: { 'ignored-bare-import': 'silent' },
    entryPoints,
    outdir,
    splitting: true,
    minify: true,
    metafile: true,
  })
  // esbuild also writes pieces that only what it left out would load.
  const needed = new Set(Object.values(metafile.outputs).flatMap(({ imports }) => imports.map(({ path }) => path)))
  const entries = Object.keys(entryPoints).map((name) => `${outdir}/${name}.js`)
  for (const path of Object.keys(metafile.outputs)) if (!needed.has(path) && !entries.includes(path)) rmSync(path)
  writeFileSync(join(outdir, 'licenses.txt'), licenses(Object.keys(metafile.inputs)))
}

/**
 * What every page that trains loads belongs into one file. esbuild would cut it into one for each set of later files that share a
 * part, each compressed for itself; so all later files are made to share all of it.
 */
async function inOnePiece() {
  const names = 'openDevice, AutoModelForSequenceClassification, getPeftModel, Trainer'
  const stdin = { contents: `import { ${names} } from './src/index'\nconsole.log(${names})`, resolveDir: '.' }
  const { metafile } = await build({ ...browser, stdin, outdir: 'out', splitting: true, metafile: true, write: false })
  const { outputs, inputs } = metafile
  const first = new Set(Object.keys(outputs).filter((name) => outputs[name].entryPoint === '<stdin>'))
  for (const name of first) for (const { path, kind } of outputs[name].imports) if (kind === 'import-statement') first.add(path)
  const parts = [...first].flatMap((name) => Object.entries(outputs[name].inputs).filter(([, { bytesInOutput }]) => bytesInOutput > 0))
  const imports = parts.map(([path]) => `import ${JSON.stringify(resolve(path))}`).filter((line) => line.includes('/src/'))
  const late = Object.values(inputs).flatMap((file) =>
    file.imports.flatMap(({ path, kind }) => (kind === 'dynamic-import' ? [resolve(path)] : [])),
  )
  return {
    name: 'in-one-piece',
    setup: (b) =>
      b.onLoad({ filter: /\.ts$/ }, ({ path }) =>
        late.includes(path) ? { contents: `${readFileSync(path, 'utf8')}\n${imports.join('\n')}`, loader: 'ts' } : undefined,
      ),
  }
}

/** The licences of the packages that files come from. */
function licenses(inputs) {
  const folders = new Set(inputs.map((path) => /.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0]).filter(Boolean))
  const texts = [...folders].map((folder) => {
    const { name, version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
    const file = readdirSync(folder).find((f) => /^licen[cs]e/i.test(f))
    if (!file) throw new Error(`${name} comes without its licence`)
    return `${name} ${version}, ${license}\n\n${readFileSync(join(folder, file), 'utf8').trim()}\n`
  })
  return [...new Set(texts)].sort().join(`\n${'-'.repeat(80)}\n\n`)
}

/**
 * Types that need nothing of the user's tsconfig: TypeScript reads imports as Node does, with the file's whole name, and
 * knows Symbol.dispose only where it is asked to.
 */
function forUsers(file) {
  const whole = (path) => (existsSync(join(dirname(file), `${path}.d.ts`)) ? `${path}.js` : `${path}/index.js`)
  const text = readFileSync(file, 'utf8')
  const head = text.includes('[Symbol.dispose]') ? '/// <reference lib="esnext.disposable" />\n' : ''
  return head + text.replace(/((?:from|import\() ?')(\.[^']*)(')/g, (_, before, path, after) => before + whole(path) + after)
}

/** The command `condlora`; what a command needs is a piece of its own, loaded when it runs. */
async function cli() {
  rmSync('dist/cli', { recursive: true, force: true })
  await build({
    ...node,
    entryPoints: ['src/cli/condlora.ts'],
    outdir: 'dist/cli',
    splitting: true,
    loader: { ...common.loader, '.css': 'text' },
  })
  cpSync('src/cli/reproduce/recipes', 'dist/cli/recipes', { recursive: true })
}

async function demo() {
  await build({ ...node, entryPoints: ['src/demo/main.ts'], outfile: 'dist/demo/demo.js' })
}

/** A program that runs these test files in one process. */
const suite = (tests) => ({
  contents: `import { runSuite } from './test/gpu_suite'
await runSuite({ ${tests.map((f) => `${JSON.stringify(f.replace(/^test\/|(\.test)?\.ts$/g, ''))}: () => import('./${f}')`).join(', ')} })`,
  resolveDir: '.',
  loader: 'ts',
})

async function tests() {
  rmSync('dist/test', { recursive: true, force: true })
  const bad = files('test/node/bad', '.ts')
  const entryPoints = [...files('test', '.test.ts'), ...bad, ...files('test/node/child', '.ts'), 'test/run.ts']
  const test = { ...node, sourcemap: 'linked', define: { TEST_ROOT: JSON.stringify(process.cwd()) } }
  await build({ ...test, entryPoints, outdir: 'dist/test', outbase: 'test' })
  await pageLibrary('dist/test/library')
  await build({ ...test, stdin: suite([...bad, 'test/ops/scale.test.ts']), outfile: 'dist/test/node/bad/suite.js' })
  await browserTests(bad)
}

/** The same tests for browsers: a module for each file, what they share once, and the page that runs one of them. */
async function browserTests(bad) {
  const shared = files('test', '.test.ts').filter((f) => !/^test\/(node|page)\//.test(f.replaceAll('\\', '/')))
  const modules = [...shared, ...bad, ...files('test/page/bad', '.ts'), ...files('test/page/inside', '.ts'), 'test/page/fake_worker.ts']
  const outdir = 'dist/test-browser'
  rmSync(outdir, { recursive: true, force: true })
  await build({
    ...browser,
    entryPoints: Object.fromEntries([...modules, 'test/page/tests.ts'].map((f) => [f.replace(/^test\/(page\/(?=tests))?|\.ts$/g, ''), f])),
    outdir,
    splitting: true,
    sourcemap: 'linked',
  })
  const html = (script) => `<!doctype html><html lang="en"><meta charset="utf-8"><title>condlora tests</title>${script}</html>`
  writeFileSync(`${outdir}/index.html`, html('<script type="module" src="tests.js"></script>'))
  writeFileSync(`${outdir}/blank.html`, html(''))
}

/**
 * For a machine with a GPU, Node and the package `webgpu` alone: the tests of whatever computes, and the demo, each in
 * one file, with the models and fixtures that they read beside them. `node dist/gpu/ops.js [part of a name …]`
 */
async function gpu() {
  rmSync('dist/gpu', { recursive: true, force: true })
  const bundle = {
    ...common,
    platform: 'node',
    external: ['webgpu', '@sparticuz/chromium'],
    // What tests and demo read from the repository's root they read from beside the bundle; CommonJS packages inside
    // want `require`.
    banner: {
      js: "import { createRequire as requireFrom } from 'node:module'\nconst require = requireFrom(import.meta.url), TEST_ROOT = import.meta.dirname",
    },
  }
  // Only what a GPU has a part in; the rest is the same on any machine.
  const rooms = ['gpu', 'graph', 'ops', 'nn', 'models', 'peft', 'train', 'doctor']
  const tests = rooms.flatMap((room) => files(`test/${room}`, '.test.ts')).sort()
  await build({ ...bundle, stdin: suite(tests), outfile: 'dist/gpu/ops.js' })
  if (existsSync('src/demo/main.ts')) {
    const banner = { js: `${bundle.banner.js}\nprocess.chdir(TEST_ROOT)` }
    await build({
      ...bundle,
      banner,
      entryPoints: ['src/demo/main.ts'],
      outfile: 'dist/gpu/demo.js',
      plugins: [aboutBuild, await spamInside()],
    })
  }
  cpSync('models', 'dist/gpu/models', { recursive: true })
  cpSync('test/fixtures', 'dist/gpu/test/fixtures', { recursive: true })
}

/** The emails of the demo are a package's thousands of files: the bundle takes their texts along instead. */
async function spamInside() {
  const texts = JSON.stringify(await emails('dist/gpu'))
  return {
    name: 'spam-inside',
    setup: (b) =>
      b.onLoad({ filter: /src[\\/]demo[\\/]spam\.ts$/ }, () => ({
        contents: `const texts = JSON.parse(${JSON.stringify(texts)})\nexport const loadSpam = async () => texts`,
      })),
  }
}

async function emails(folder) {
  const outfile = `${folder}/spam.mjs`
  await build({ ...node, entryPoints: ['src/demo/spam.ts'], outfile })
  const { loadSpam } = await import(pathToFileURL(outfile).href)
  rmSync(outfile)
  return loadSpam()
}

/** scripts/NAME/run.ts becomes dist/scripts/NAME.js. */
async function scripts() {
  for (const name of readdirSync('scripts').filter((n) => existsSync(`scripts/${n}/run.ts`)))
    await build({ ...node, entryPoints: [`scripts/${name}/run.ts`], outfile: `dist/scripts/${name}.js` })
}

/** Installs what bench/package-lock.json says, once. */
function installRivals() {
  const [wanted, got] = ['bench/package-lock.json', 'bench/node_modules/.package-lock.json'].map(
    (f) => existsSync(f) && statSync(f).mtimeMs,
  )
  if (got >= wanted) return
  console.log('bench: installing the rivals (bench/package.json)')
  const ci = ['ci', '--ignore-scripts', '--omit=optional', '--no-audit', '--no-fund']
  try {
    execFileSync('npm', ci, { cwd: 'bench', stdio: 'inherit', shell: process.platform === 'win32' })
  } catch {
    console.error('bench: the rivals could not be installed: they are reported as missing')
  }
}

const installed = (name) => existsSync(`bench/node_modules/${name}/package.json`)

// gpu.js brings an old `webgpu` along: the bundles lie in dist/, from where our own is found. onnxruntime-web must stay
// beside its WebAssembly.
const rivals = {
  name: 'rivals',
  setup: (b) => {
    b.onResolve({ filter: /^(@jax-js\/|@tensorflow\/|gpu\.js$|protobufjs$|gl$)/ }, ({ path }) => {
      const [name] = /^(@[^/]+\/)?[^/]+/.exec(path)
      return installed(name) ? null : { path, external: true }
    })
    b.onResolve({ filter: /^onnxruntime-web(\/webgpu)?$/ }, ({ path }) => {
      const kind = path.endsWith('webgpu') ? 'webgpu.bundle' : 'node'
      const file = resolve(`bench/node_modules/onnxruntime-web/dist/ort.${kind}.min.mjs`)
      return { path: existsSync(file) ? pathToFileURL(file).href : path, external: true }
    })
  },
}

/** The benchmarks, with the rivals where they are installed. */
async function bench() {
  rmSync('dist/bench', { recursive: true, force: true })
  await build({
    ...common,
    platform: 'node',
    plugins: [aboutBuild, rivals],
    // All else is inside: it runs on a machine that has Node and `webgpu` alone.
    external: ['webgpu', '@sparticuz/chromium'],
    entryPoints: ['bench/run.ts', 'bench/worker.ts'],
    outdir: 'dist/bench',
    splitting: true,
    // CommonJS packages inside want `require`.
    banner: { js: "import { createRequire as requireFrom } from 'node:module'\nconst require = requireFrom(import.meta.url)" },
  })
}

const page = { ...browser, plugins: [...browser.plugins, shortKernels], splitting: true, minify: true }

/** The static folder that any host can serve: the training page with its model and sample, the benchmark page. */
async function pages(outdir) {
  rmSync(outdir, { recursive: true, force: true })
  await trainPage(outdir)
  await benchPage(outdir)
}

/** The training page: index.html, its script, its worker, what it trains on. */
async function trainPage(outdir) {
  const ui = 'src/app/train/ui'
  const { metafile } = await build({
    ...page,
    entryPoints: { ...(existsSync(`${ui}/main.tsx`) ? { main: `${ui}/main.tsx` } : {}), worker: 'src/app/train/worker/worker.ts' },
    outdir,
    jsx: 'automatic',
    jsxImportSource: 'preact',
    metafile: true,
  })
  for (const file of existsSync(ui) ? readdirSync(ui) : [])
    if (/\.(html|svg|png|webmanifest)$/.test(file) && !existsSync(`${outdir}/${file}`)) cpSync(`${ui}/${file}`, `${outdir}/${file}`)
  cpSync('models/roberta-mini', `${outdir}/models/roberta-mini`, { recursive: true })
  await sample(`${outdir}/sample`)
  writeFileSync(`${outdir}/licenses.txt`, licenses(Object.keys(metafile.inputs)))
}

// More than the longest row that roberta-mini takes.
const sampleCharacters = 4000

/** The emails of the demo as lines of JSON, long ones cut: the whole would be a download of many times the size. */
async function sample(folder) {
  mkdirSync(folder, { recursive: true })
  for (const [split, rows] of Object.entries(await emails(folder))) {
    const lines = rows.map(({ text, label }) => JSON.stringify({ text: text.slice(0, sampleCharacters), label: ['ham', 'spam'][label] }))
    writeFileSync(`${folder}/${split}.jsonl`, `${lines.join('\n')}\n`)
  }
}

/** The benchmark page: bench.html beside its scripts, with the rivals where they are installed. */
async function benchPage(outdir) {
  await build({
    ...page,
    plugins: [...page.plugins, rivalsOrReason],
    entryPoints: { bench: 'src/app/bench/main.ts', 'bench-worker': 'src/app/bench/worker.ts' },
    outdir,
    chunkNames: 'bench-[name]-[hash]',
  })
  cpSync('src/app/bench/bench.html', `${outdir}/bench.html`)
}

// A page that was built without the rivals says so.
const rivalsOrReason = {
  name: 'rivals-or-reason',
  setup: (b) => {
    const missing = [
      ['@jax-js/jax', 'jax'],
      ['@tensorflow/tfjs-core', 'tfjs'],
    ]
      .filter(([name]) => !installed(name))
      .map(([, file]) => file)
    if (!missing.length) return
    console.log(`the benchmark page is built without ${missing.join(' and ')}: npm run bench installs them`)
    b.onResolve({ filter: new RegExp(`rivals/(${missing.join('|')})$`) }, () => ({ path: 'absent', namespace: 'absent' }))
    b.onLoad({ filter: /./, namespace: 'absent' }, () => ({
      contents: "export const open = () => { throw new Error('this page was built without it') }",
    }))
  },
}

const modes = {
  library: async () => {
    await library()
    await cli()
    await gpu()
  },
  demo,
  test: async () => {
    await cli()
    await bench()
    await pages('dist/test-pages')
    await tests()
  },
  cli,
  gpu,
  scripts,
  page: () => pages('dist/page'),
  'bench-page': async () => {
    installRivals()
    await benchPage('dist/page')
  },
  bench: async () => {
    installRivals()
    await bench()
  },
}
if (!modes[mode]) {
  console.error(`build.mjs: unknown mode ${mode}; there are ${Object.keys(modes).join(', ')}`)
  process.exit(2)
}
await modes[mode]()
