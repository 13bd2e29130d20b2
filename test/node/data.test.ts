import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parquetWriteBuffer } from 'hyparquet-writer'
import { loadDataset } from '../../src/data'
import { assert, test } from '../harness'

const columns = { text: 'text', label: 'label' }

// The child of the last test: a file of 80 MB in a heap of 64 MB.
if (process.env.CONDLORA_STREAM_FILE) {
  const { train } = await loadDataset('auto', { train: process.env.CONDLORA_STREAM_FILE }, columns, {
    streaming: true,
    labelNames: ['no', 'yes'],
  })
  let rows = 0
  let labels = 0
  for await (const { label } of train.shuffle({ seed: 1, bufferSize: 1000 })) {
    rows++
    labels += label ?? 0
  }
  console.log(`${rows} rows, ${labels} yes`)
} else {
  async function inFolder(work: (folder: string) => Promise<void>): Promise<void> {
    const folder = await mkdtemp(join(tmpdir(), 'condlora-data-'))
    await work(folder).finally(() => rm(folder, { recursive: true }))
  }

  test('files on disk by their paths, of several formats at once', () =>
    inFolder(async (folder) => {
      const data = { text: ['c', 'd'], label: ['no', 'yes'] }
      await writeFile(join(folder, 'a.csv'), 'text,label\na,yes\n')
      await writeFile(join(folder, 'b.jsonl'), '{"text":"b","label":"no"}\n')
      const file = parquetWriteBuffer({ columnData: Object.entries(data).map(([name, d]) => ({ name, data: d, type: 'STRING' })) })
      await writeFile(join(folder, 'c.parquet'), new Uint8Array(file))
      const files = { train: join(folder, 'a.csv'), test: [join(folder, 'b.jsonl'), join(folder, 'c.parquet')] }
      const { train, test: rest } = await loadDataset('auto', files, columns)
      assert.equal(train.labelNames, ['no', 'yes'])
      assert.equal(
        [...train.rows, ...rest.rows].map((r) => `${r.text}${r.label}`),
        ['a1', 'b0', 'c0', 'd1'],
      )
      await assert.rejects(() => loadDataset('csv', { train: join(folder, 'x.csv') }, columns), /x\.csv: there is no such file$/)
    }))

  test('GLUE from a folder', () =>
    inFolder(async (folder) => {
      for (const name of ['train', 'dev']) await writeFile(join(folder, `${name}.tsv`), 'sentence\tlabel\ngood " film\t1\nbad\t0\n')
      const { train } = await loadDataset('glue', { task: 'sst2', files: folder })
      assert.equal(train.rows, [
        { text: 'good " film', label: 1 },
        { text: 'bad', label: 0 },
      ])
    }))

  test('a file larger than the heap is streamed', () =>
    inFolder(async (folder) => {
      const path = join(folder, 'large.csv')
      const out = createWriteStream(path)
      out.write('text,label\n')
      const block = Array.from({ length: 2000 }, (_, i) => `"${`word ${i}, `.repeat(5)}",${i % 2 ? 'yes' : 'no'}\n`).join('')
      const blocks = Math.ceil((80 << 20) / block.length)
      for (let i = 0; i < blocks; i++) if (!out.write(block)) await once(out, 'drain')
      out.end()
      await once(out, 'close')
      const child = spawn(process.execPath, ['--max-old-space-size=64', fileURLToPath(import.meta.url)], {
        env: { ...process.env, CONDLORA_STREAM_FILE: path, CONDLORA_RECORDS: '' },
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      let said = ''
      child.stdout.on('data', (piece) => {
        said += piece
      })
      const [code] = await once(child, 'close')
      assert.is(code, 0)
      assert.is(said.trim(), `${2000 * blocks} rows, ${1000 * blocks} yes`)
    }))
}
