import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { assert, test } from '../harness'

declare const TEST_ROOT: string

const read = (path: string) => readFileSync(join(TEST_ROOT, path), 'utf8')
const manifest = JSON.parse(read('package.json'))

test('docs/dependencies.md lists every dependency with the version that is pinned and locked', () => {
  const groups = [manifest.dependencies, manifest.optionalDependencies, manifest.devDependencies]
  const pinned = Object.assign({}, ...groups) as Record<string, string>
  const rows = read('docs/dependencies.md').matchAll(/^\| +(\S+) +\| +(\d+\.\d+\.\d+) +\|[^|]* MB[^|]*\|[^|]*\w[^|]*\|[^|]*\w[^|]*\|$/gm)
  const listed = Object.fromEntries([...rows].map(([, name, version]) => [name, version]))
  assert.equal(sorted(listed), sorted(pinned))
  const { packages } = JSON.parse(read('package-lock.json'))
  const locked = Object.keys(pinned).map((name) => [name, packages[`node_modules/${name}`].version])
  assert.equal(sorted(Object.fromEntries(locked)), sorted(pinned))
})

test('nothing of the repository is installed by a script, and none of its own runs at install', () => {
  assert.match(read('.npmrc'), /^ignore-scripts=true$/m)
  for (const name of ['preinstall', 'install', 'postinstall', 'prepare']) assert.is(manifest.scripts[name], undefined)
})

test('the changelog has the version of package.json', () => {
  assert.ok(read('CHANGELOG.md').includes(`\n## ${manifest.version}\n`))
})

function sorted(record: Record<string, string>): string[] {
  return Object.entries(record)
    .map(([name, version]) => `${name} ${version}`)
    .sort()
}
