// One cache with Python's huggingface_hub, by hand: `node build.mjs scripts && node dist/scripts/hub_cache.js [python]`.
// What is fetched here is found by Python without the network, and the other way round; the hub is the tests' stand-in.
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openHub } from '../../src/io'
import { commit, small } from '../../test/node/hub_fixture'
import { hubServer } from '../../test/node/hub_server'

const ours = `
from huggingface_hub import hf_hub_download, scan_cache_dir, snapshot_download
import sys
files = ['config.json', 'model.safetensors']
scan = scan_cache_dir(sys.argv[1])
assert not scan.warnings, scan.warnings
[repo] = scan.repos
[revision] = repo.revisions
assert (repo.repo_id, revision.commit_hash, set(revision.refs)) == ('owner/small', sys.argv[2], {'main'})
assert sorted(f.file_name for f in revision.files) == files
local = dict(cache_dir=sys.argv[1], local_files_only=True)
for f in files: hf_hub_download('owner/small', f, **local)
print(snapshot_download('owner/small', allow_patterns=files, **local))
`
const theirs = `
from huggingface_hub import hf_hub_download, snapshot_download
import sys
hf_hub_download('owner/small', 'config.json', cache_dir=sys.argv[1], token=False)
if sys.argv[2] == 'listed': snapshot_download('owner/small', allow_patterns=['model.safetensors'], cache_dir=sys.argv[1], token=False)
`

const folder = mkdtempSync(join(tmpdir(), 'condlora-cache-'))
const server = await hubServer([small])

function python(code: string, ...args: string[]): Promise<void> {
  const child = spawn(process.argv[2] ?? 'python3', ['-c', code, ...args], {
    stdio: 'inherit',
    env: { ...process.env, HF_ENDPOINT: server.url },
  })
  return new Promise((resolve, reject) =>
    child.on('close', (status) => (status === 0 ? resolve() : reject(new Error(`Python ended with ${status}`)))),
  )
}

try {
  const cacheDir = join(folder, 'ours')
  const files = await openHub('owner/small', { endpoint: server.url, cacheDir, token: false })
  for (const name of ['config.json', 'model.safetensors']) await files.read(name)
  await python(ours, cacheDir, commit)
  for (const kind of ['bare', 'listed']) {
    const cacheDir = join(folder, kind)
    await python(theirs, cacheDir, kind)
    const files = await openHub('owner/small', { cacheDir, localFilesOnly: true })
    console.log(kind, (await files.read('config.json')).length, kind === 'listed' ? (await files.read('model.safetensors')).length : '')
  }
} finally {
  await server.close()
  rmSync(folder, { recursive: true, force: true })
}
