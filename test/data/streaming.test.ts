import { parquetWriteBuffer } from 'hyparquet-writer'
import { type Columns, type DataFormat, IterableDataset, type LoadOptions, loadDataset, type Row } from '../../src/data'
import { type Files, memoryFiles } from '../../src/io'
import { assert, fixture, rng, test } from '../harness'

const both: Columns = { text: 'text', label: 'label' }
const golden = JSON.parse(new TextDecoder().decode(await fixture('data/numpy.json'))) as {
  streams: { seed: number; bufferSize: number; epoch: number; rows: number[] }[]
}

const utf8 = (text: string) => new TextEncoder().encode(text)

async function all(rows: AsyncIterable<Row>): Promise<Row[]> {
  const found: Row[] = []
  for await (const row of rows) found.push(row)
  return found
}

interface How extends LoadOptions {
  columns?: Columns
  pieceBytes?: number
}

async function stream(format: DataFormat, bytes: Uint8Array, { columns = both, ...options }: How = {}): Promise<IterableDataset> {
  const files = memoryFiles('data', [['train', bytes]])
  return (await loadDataset(format, { train: { files, path: 'train' } }, columns, { ...options, streaming: true })).train
}

async function whole(format: DataFormat, bytes: Uint8Array, columns = both): Promise<readonly Row[]> {
  const files = memoryFiles('data', [['train', bytes]])
  return (await loadDataset(format, { train: { files, path: 'train' } }, columns)).train.rows
}

/** The same rows in each format; TSV cannot have line breaks and tabs. */
function written(rows: [string, string][], end: string): [DataFormat, Uint8Array][] {
  const quoted = (s: string) => `"${s.replaceAll('"', '""')}"`
  const table = (join: string, cell: (s: string) => string) => [['text', 'label'], ...rows].map((r) => r.map(cell).join(join)).join(end)
  const column = (i: 0 | 1) => rows.map((r) => r[i])
  return [
    ['csv', utf8(table(',', quoted))],
    ['tsv', utf8(table('\t', (s) => s.replace(/[\t\r\n]/g, ' ')))],
    ['jsonl', utf8(rows.map(([text, label]) => JSON.stringify({ label, text })).join(end))],
    [
      'parquet',
      new Uint8Array(
        parquetWriteBuffer({
          columnData: [
            { name: 'text', data: column(0), type: 'STRING' },
            { name: 'label', data: column(1), type: 'STRING' },
          ],
          rowGroupSize: 5,
        }),
      ),
    ],
  ]
}

test('a stream has the rows of the whole file, wherever its pieces end', async () => {
  const random = rng()
  const bits = ['a', ' ', ',', '"', '\n', '\r\n', 'é', '👍', '\uFFFD', "'", '0']
  for (let trial = 0; trial < 12; trial++) {
    const rows = Array.from({ length: random.int(1, 20) }, (): [string, string] => [
      `x${Array.from({ length: random.int(0, 8) }, () => bits[random.int(0, bits.length - 1)]).join('')}y`,
      ['ham', 'spam', 'eggs'][random.int(0, 2)],
    ])
    const names = [...new Set(rows.map(([, label]) => label))].sort()
    for (const [format, bytes] of written(rows, ['\n', '\r\n'][trial % 2])) {
      const wanted = rows.map(([text, label]) => ({
        text: format === 'tsv' ? text.replace(/[\t\r\n]/g, ' ') : text,
        label: names.indexOf(label),
      }))
      assert.equal(await whole(format, bytes), wanted, format)
      const dataset = await stream(format, bytes, { pieceBytes: random.int(1, 40) })
      assert.equal(dataset.labelNames, names)
      assert.equal(await all(dataset), wanted, `${format}, trial ${trial}`)
      assert.equal(await all(dataset.stream(1)), wanted, 'every pass reads anew')
    }
  }
})

test('a CSV in pieces that are longer than what its line ends are told from', async () => {
  const random = rng()
  const rows = Array.from({ length: 4000 }, (_, i) => ({
    text: `${i}${random.int(0, 1) ? '\n"' : ', '}${'word '.repeat(random.int(0, 12))}`,
    label: i % 3,
  }))
  for (const end of ['\n', '\r\n', '\r']) {
    const csv = `text,label${end}${rows.map(({ text, label }) => `"${text.replaceAll('"', '""')}",${label}`).join(end)}${end}`
    const dataset = await stream('csv', utf8(csv), { pieceBytes: random.int(20_000, 90_000) })
    assert.equal(await all(dataset), rows)
  }
})

/** A file that is made up as it is read. */
function endless(line: (i: number) => string, width: number, size: number): { files: Files; read: { bytes: number; largest: number } } {
  const read = { bytes: 0, largest: 0 }
  const files: Files = {
    name: 'data',
    list: async () => ['big'],
    size: async () => size,
    write: async () => {},
    read: async (_, start = 0, end = size) => {
      read.bytes += end - start
      read.largest = Math.max(read.largest, end - start)
      const first = Math.floor(start / width)
      const lines = Array.from({ length: Math.ceil(end / width) - first }, (_, i) => line(first + i).padEnd(width - 1))
      return utf8(lines.map((l) => `${l}\n`).join('')).slice(start - first * width, end - first * width)
    },
  }
  return { files, read }
}

test('of a file of a terabyte only what is used is read', async () => {
  for (const format of ['jsonl', 'tsv', 'csv'] as const) {
    const line = (i: number) =>
      format === 'jsonl'
        ? `{"text":"row ${i}","label":${i % 2}}`
        : i
          ? `row ${i}${format === 'csv' ? ',' : '\t'}${i % 2}`
          : `text${format === 'csv' ? ',' : '\t'}label`
    const { files, read } = endless(line, 64, 2 ** 40)
    const options = { labelNames: ['no', 'yes'], streaming: true } as const
    const { train } = await loadDataset(format, { train: { files, path: 'big' } }, both, options)
    const texts: string[] = []
    for await (const { text } of train.shuffle({ seed: 1, bufferSize: 100 })) if (texts.push(text) === 20_000) break
    assert.is(new Set(texts).size, 20_000)
    assert.ok(read.bytes < 4 << 20 && read.largest <= 1 << 20, `${format}: ${JSON.stringify(read)}`)
    await assert.rejects(
      () => loadDataset(format, { train: { files, path: 'big' } }, both),
      /^data\/big: 1099511627776 bytes are too many to keep \(at most 500000000\); load it with \{ streaming: true \}/,
    )
  }
})

test('parquet is read a row group at a time, and of it only the wanted columns', async () => {
  const text = Array.from({ length: 1000 }, (_, i) => `${i} ${((i * 7919) % 100_003).toString(36).repeat(20)}`)
  const columns = ['text', 'other'].map((name) => ({ name, data: text, type: 'STRING' as const }))
  const bytes = new Uint8Array(parquetWriteBuffer({ columnData: columns, rowGroupSize: 100, codec: 'UNCOMPRESSED' }))
  const inner = memoryFiles('data', [['train', bytes]])
  let read = 0
  const files: Files = {
    ...inner,
    read: (path, start = 0, end = bytes.length) => {
      read += end - start
      return inner.read(path, start, end)
    },
  }
  const { train } = await loadDataset('parquet', { train: { files, path: 'train' } }, { text: 'text' }, { streaming: true })
  read = 0
  let rows = 0
  for await (const row of train) {
    assert.is(row.text, text[rows])
    if (++rows === 150) break
  }
  assert.ok(read < 0.2 * bytes.length, `${read} of ${bytes.length} bytes were read`)
})

test("shuffling with a buffer gives the order of Python's datasets, epoch by epoch", async () => {
  const dataset = await stream('jsonl', utf8(Array.from({ length: 100 }, (_, i) => `{"text":"${i}"}\n`).join('')), {
    columns: { text: 'text' },
  })
  assert.is(golden.streams.length, 9)
  for (const { seed, bufferSize, epoch, rows } of golden.streams) {
    const got = await all(dataset.shuffle({ seed, bufferSize }).stream(epoch))
    assert.equal(
      got.map((r) => Number(r.text)),
      rows,
      `seed ${seed}, buffer ${bufferSize}, epoch ${epoch}`,
    )
  }
  assert.throws(() => dataset.shuffle({ bufferSize: 0 }), /shuffle: bufferSize: wanted a whole number above 0, got 0/)
  assert.throws(() => dataset.shuffle({ seed: -1 }), /seed: wanted a whole number from 0, got -1/)
})

test('labels are looked at before the first row is given, unless their names are', async () => {
  await assert.rejects(
    () => stream('csv', utf8('text,label\na,1\nb,-1\n')),
    /^data\/train, row 3, column label: wanted a class number from 0/,
  )
  await assert.rejects(() => stream('csv', utf8('text,label\na,1\nb,\n')), /^data\/train, row 3, column label: the label is missing/)
  const late = await stream('csv', utf8('text,label\na,1\nb,2\n'), { labelNames: ['no', 'yes'] })
  await assert.rejects(() => all(late), /^data\/train, row 3, column label: wanted a class number from 0 to 1, got 2/)
  const numbers = await stream('csv', utf8('text,label\na,1\nb,2\n'), { regression: true })
  assert.equal(
    (await all(numbers)).map((r) => r.label),
    [1, 2],
  )
})

test('broken quoting, encoding and rows are named in a stream too', async () => {
  const latin = Uint8Array.of(...utf8('text,label\ngood,1\ncaf'), 0xe9, ...utf8(',0\n'))
  const jsonLatin = Uint8Array.of(...utf8('{"text":"a","label":1}\n{"label":0,"text":"caf'), 0xe9, ...utf8('"}\n'))
  const cases: [DataFormat, Uint8Array, RegExp][] = [
    ['csv', utf8('text,label\nx,1\n"a,1\nb,0\n'), /^data\/train, row 3: Quoted field unterminated; a cell with quotes/],
    ['csv', utf8('text,label\n"a" b,1\n'), /^data\/train, row 2: .*quote/],
    [
      'csv',
      latin,
      /^data\/train, row 3, column text: this is not UTF-8 text \(after "caf"\); is it Latin-1 or Windows-1252\? Save it as UTF-8, e\.g\. iconv -f WINDOWS-1252/,
    ],
    ['jsonl', jsonLatin, /^data\/train, row 2, column text: this is not UTF-8 text \(after "caf"\)/],
    ['tsv', utf8('text\tlabel\na\t1\nb\n'), /^data\/train, row 3: wanted 2 columns as in the header, got 1/],
  ]
  for (const [format, bytes, message] of cases)
    for (const pieceBytes of [3, 1 << 20]) await assert.rejects(() => stream(format, bytes, { pieceBytes }), message)
})

test('a row without an end is refused before it fills the memory', async () => {
  const { files, read } = endless((i) => (i ? 'word' : 'text\n"'), 64, 2 ** 40)
  await assert.rejects(
    async () => all((await loadDataset('csv', { t: { files, path: 'big' } }, { text: 'text' }, { streaming: true })).t),
    /^data\/big, row 2: longer than 16777216 characters, which is the most for a row; is a quote never closed\?$/,
  )
  assert.ok(read.bytes < 20 << 20)
})

test('fingerprints: of content, columns and order', async () => {
  const of = async (text: string, how: How = {}) => (await stream('csv', utf8(text), how)).fingerprint()
  const text = 'text,label\na,1\nb,0\n'
  assert.is(await of(text), await of(text))
  assert.is.not(await of(text), await of(text.replace('b,0', 'c,0')))
  assert.is.not(await of(text), await of(text, { columns: { text: 'text' } }))
  const dataset = await stream('csv', utf8(text))
  assert.is.not(await dataset.shuffle({ seed: 1 }).fingerprint(), await dataset.shuffle({ seed: 2 }).fingerprint())
  assert.ok(dataset instanceof IterableDataset)
})
