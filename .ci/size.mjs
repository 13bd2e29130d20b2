// node .ci/size.mjs [LIBRARY] [LIMIT]: what esbuild leaves of a page that trains with the browser library in the folder
// LIBRARY, minified and gzipped, kernels included, and what such a page loads later. Fails above LIMIT bytes.
import { resolve } from 'node:path'
import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'

const [library = 'dist/lib/browser', limit = '60000'] = process.argv.slice(2)
const names = 'openDevice, AutoModelForSequenceClassification, getPeftModel, Trainer'

/** Bundles a program that prints what it imports: sizes of its pieces, and what each loads at once and later. */
async function bundle(imported) {
  const { outputFiles, metafile } = await build({
    stdin: {
      contents: `import ${imported} from ${JSON.stringify(resolve(library, 'index.js'))}\nconsole.log(${imported.replace('* as ', '')})`,
      resolveDir: '.',
    },
    bundle: true,
    minify: true,
    splitting: true,
    format: 'esm',
    outdir: 'out',
    write: false,
    metafile: true,
    logLevel: 'error',
  })
  const sizes = new Map(outputFiles.map(({ path, contents }) => [path, gzipSync(contents, { level: 9 }).length]))
  const { outputs } = metafile
  const bytes = (pieces) => [...pieces].reduce((sum, name) => sum + sizes.get(resolve(name)), 0)
  return {
    outputs,
    bytes,
    page: closure(
      outputs,
      Object.keys(outputs).find((name) => outputs[name].entryPoint === '<stdin>'),
    ),
  }
}

/** A piece, what it cannot run without, and what those cannot. */
function closure(outputs, name, found = new Set()) {
  if (found.has(name)) return found
  found.add(name)
  for (const { path, kind } of outputs[name].imports) if (kind === 'import-statement') closure(outputs, path, found)
  return found
}

/** After the largest of the library's files in it. */
function title(outputs, name) {
  const [[file] = ['?']] = Object.entries(outputs[name].inputs).sort(([, a], [, b]) => b.bytesInOutput - a.bytesInOutput)
  return file.replace(/.*\//, '').replace(/-[A-Z0-9]{8}\.js$|\.js$/, '')
}

const { bytes, page } = await bundle(`{ ${names} }`)
console.log(`import { ${names} }: ${bytes(page)} bytes gzipped, limit ${limit}`)
const whole = await bundle('* as all')
console.log(`all that the library exports: ${whole.bytes(whole.page)}`)
const late = new Set(Object.values(whole.outputs).flatMap((o) => o.imports.flatMap((i) => (i.kind === 'dynamic-import' ? [i.path] : []))))
for (const name of late) {
  const more = [...closure(whole.outputs, name)].filter((piece) => !whole.page.has(piece))
  console.log(`  later, when needed: ${title(whole.outputs, name)}: ${whole.bytes(more)}`)
}
if (bytes(page) > Number(limit)) {
  console.error(`too large by ${bytes(page) - Number(limit)} bytes`)
  process.exit(1)
}
