// node .ci/size.mjs [LIBRARY] [LIMIT]: what esbuild leaves of a page that trains with the browser library in the folder
// LIBRARY, minified and gzipped, kernels included, and what such a page loads later. Fails above LIMIT bytes.
import { resolve } from 'node:path'
import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'

const [library = 'dist/lib/browser', limit = '60000'] = process.argv.slice(2)
const names = 'openDevice, AutoModelForSequenceClassification, getPeftModel, Trainer'
const { outputFiles, metafile } = await build({
  stdin: { contents: `import { ${names} } from ${JSON.stringify(resolve(library, 'index.js'))}\nconsole.log(${names})`, resolveDir: '.' },
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

/** A piece, what it cannot run without, and what those cannot. */
function closure(name, found = new Set()) {
  if (found.has(name)) return found
  found.add(name)
  for (const { path, kind } of outputs[name].imports) if (kind === 'import-statement') closure(path, found)
  return found
}
const bytes = (pieces) => [...pieces].reduce((sum, name) => sum + sizes.get(resolve(name)), 0)
/** After the largest of the library's files in it. */
const title = (name) => {
  const [[file] = ['?']] = Object.entries(outputs[name].inputs).sort(([, a], [, b]) => b.bytesInOutput - a.bytesInOutput)
  return file.replace(/.*\//, '').replace(/-[A-Z0-9]{8}\.js$|\.js$/, '')
}

const page = closure(Object.keys(outputs).find((name) => outputs[name].entryPoint === '<stdin>'))
console.log(`import { ${names} }: ${bytes(page)} bytes gzipped, limit ${limit}`)
const late = new Set(Object.values(outputs).flatMap(({ imports }) => imports.flatMap((i) => (i.kind === 'dynamic-import' ? [i.path] : []))))
for (const name of late) {
  const more = [...closure(name)].filter((piece) => !page.has(piece))
  console.log(`  later, when needed: ${title(name)}: ${bytes(more)}`)
}
if (bytes(page) > Number(limit)) {
  console.error(`too large by ${bytes(page) - Number(limit)} bytes`)
  process.exit(1)
}
