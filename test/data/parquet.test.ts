import { parquetWriteBuffer } from 'hyparquet-writer'
import { type Columns, type Dataset, type LoadOptions, loadDataset } from '../../src/data'
import { checkPages } from '../../src/data/parquet_check'
import { walkThrift } from '../../src/data/thrift'
import { memoryFiles } from '../../src/io'
import { assert, fixture, rng, test } from '../harness'

// Made by pyarrow and datasets (fixtures/data/make.py): 60 rows in row groups of 25 and pages of a few hundred bytes.
const sentences = Array.from({ length: 60 }, (_, i) => `row ${i} é 👍 "quoted", ${'long '.repeat(i % 7)}`)
const reversed = sentences.map((s) => Array.from(s).reverse().join(''))
const labels = sentences.map((_, i) => i % 2)

type Bytes = Uint8Array<ArrayBuffer>
const bytesOf = async (name: string): Promise<Bytes> => new Uint8Array(await fixture(`data/${name}.parquet`))

async function load(bytes: Bytes, columns: Columns, options: LoadOptions & { streaming?: false } = {}): Promise<Dataset> {
  const files = memoryFiles('data', [['train.parquet', bytes]])
  return (await loadDataset('parquet', { train: { files, path: 'train.parquet' } }, columns, options)).train
}

for (const name of ['none', 'snappy', 'gzip', 'brotli', 'zstd', 'lz4', 'v2'])
  test(`pyarrow's ${name}.parquet: texts, pairs, class names`, async () => {
    const { rows, labelNames } = await load(await bytesOf(name), { text: 'text', textPair: 'pair', label: 'name' })
    assert.equal(labelNames, ['no', 'yes'])
    assert.equal(
      rows,
      sentences.map((text, i) => ({ text, pair: reversed[i], label: 1 - labels[i] })).map((r) => ({ ...r, label: 1 - r.label })),
    )
  })

test('delta encodings of texts and numbers', async () => {
  const { rows } = await load(await bytesOf('delta'), { text: 'text', label: 'label' })
  assert.equal(
    rows,
    sentences.map((text, i) => ({ text, label: labels[i] })),
  )
})

test("a file of datasets: the names of its classes, and an empty one's", async () => {
  const { rows, labelNames } = await load(await bytesOf('hub'), { text: 'sentence', label: 'label' })
  assert.equal(labelNames, ['negative', 'positive'])
  assert.equal(
    rows,
    sentences.map((text, i) => ({ text, label: labels[i] })),
  )
  const given = await load(await bytesOf('hub'), { text: 'sentence', label: 'label' }, { labelNames: ['bad', 'good'] })
  assert.equal(given.labelNames, ['bad', 'good'])
})

test('labels of every kind of number', async () => {
  const plain = await bytesOf('snappy')
  const of = async (label: string) => (await load(plain, { text: 'text', label })).rows.map((r) => r.label)
  assert.equal(
    await of('score'),
    sentences.map((_, i) => i / 4),
  )
  assert.equal(await of('yes'), labels)
  assert.equal(await of('small'), labels)
})

test('files of another writer, with rows in many groups', async () => {
  const buffer = parquetWriteBuffer({
    columnData: [
      { name: 'a', data: sentences, type: 'STRING' },
      { name: 'n', data: labels.map(BigInt), type: 'INT64' },
    ],
    rowGroupSize: 7,
  })
  const { rows } = await load(new Uint8Array(buffer), { text: 'a', label: 'n' })
  assert.equal(
    rows,
    sentences.map((text, i) => ({ text, label: labels[i] })),
  )
})

test('what is wrong is named: file, row, column', async () => {
  const plain = await bytesOf('snappy')
  const cases: [Columns, RegExp][] = [
    [{ text: 'sentence' }, /^data\/train\.parquet: the column "sentence" is not there; the file has "text", "pair", "name", "score"/],
    [{ text: 'score' }, /^data\/train\.parquet, row 1, column score: wanted a text, got 0$/],
    [{ text: 'list' }, /^data\/train\.parquet, column list: wanted texts or numbers, got lists or structures$/],
    [{ text: 'text', label: 'half' }, /^data\/train\.parquet, row 8, column half: the label is missing$/],
  ]
  for (const [columns, message] of cases) await assert.rejects(() => load(plain, columns), message)
  const below = parquetWriteBuffer({
    columnData: [
      { name: 't', data: ['a', 'b'] },
      { name: 'l', data: [0, -1] },
    ],
  })
  await assert.rejects(
    () => load(new Uint8Array(below), { text: 't', label: 'l' }),
    /^data\/train\.parquet, row 2, column l: wanted a class number from 0 to 99999, got -1 \(is this an unlabelled file\?\)/,
  )
  const none = parquetWriteBuffer({ columnData: [{ name: 't', data: [], type: 'STRING' }] })
  await assert.rejects(() => load(new Uint8Array(none), { text: 't' }), /^data\/train\.parquet: the file has no rows$/)
})

test('no parquet, cut off, or with a hostile length', async () => {
  const plain = await bytesOf('none')
  const bad = async (bytes: Bytes, message: RegExp) => assert.rejects(() => load(bytes, { text: 'text', label: 'name' }), message)
  await bad(
    new TextEncoder().encode('text,label\na,1\nb,2\n'),
    /^data\/train\.parquet: this parquet file cannot be read: it is no parquet file/,
  )
  await bad(new Uint8Array(0), /cannot be read: it is no parquet file/)
  for (const cut of [1, 100, plain.length >> 1]) await bad(plain.slice(0, plain.length - cut), /cannot be read/)
  const long = plain.slice()
  new DataView(long.buffer).setUint32(long.length - 8, 0x7fffffff, true)
  await bad(long, /its description claims 2147483647 bytes, at most/)
})

test('a run longer than its page is refused, packed or not', async () => {
  for (const name of ['none', 'v2']) {
    const file = await bytesOf(name)
    // The definition levels of 25 values that are all there: a run of 25 (50 = 25·2) of ones.
    const places = Array.from(file.keys()).filter((i) => file[i] === 50 && file[i + 1] === 1)
    assert.ok(places.length > 3)
    for (const at of places) file[at] = 126
    const columns = { text: 'text', label: 'small' }
    await assert.rejects(
      () => load(file, columns),
      /column \w+, rows 1 to 25: this parquet file cannot be read: a page of 25 values claims a run of 63/,
    )
  }
  await assert.rejects(
    async () => load(await bytesOf('delta_strings'), { text: 'text' }),
    /column text, rows 1 to 60: .*DELTA_BYTE_ARRAY is not read.*write the file with another/,
  )
})

/** Thrift's compact form of a struct of whole numbers and structs. */
type Fields = { [field: number]: number | Fields }
function thrift(fields: Fields): number[] {
  const varint = (n: number): number[] => (n < 128 ? [n] : [(n % 128) | 128, ...varint(Math.floor(n / 128))])
  const body = Object.entries(fields).flatMap(([field, value]) => [
    typeof value === 'number' ? 5 : 12,
    ...varint(Number(field) * 2),
    ...(typeof value === 'number' ? varint(value < 0 ? -2 * value - 1 : 2 * value) : thrift(value)),
  ])
  return [...body, 0]
}

test('the walk over a structure: values are read, claims are checked', async () => {
  const walk = (bytes: number[]) => walkThrift(Uint8Array.from(bytes), 0)
  assert.equal(walk(thrift({ 1: 3, 5: { 2: -70_000, 40: 2 ** 31 } })), { value: { 1: 3, 5: { 2: -70_000, 40: 2 ** 31 } }, end: 19 })
  const cases: [number[], RegExp][] = [
    [[0x19, 0xf5, 0xff, 0xff, 0xff, 0x7f], /a list claims 268435455 items where 0 bytes are left/],
    [[0x18, 0xff, 0xff, 0x7f, 65, 0], /2097151 bytes or items are claimed where 2 bytes are left/],
    [Array(100).fill(0x1c), /structures nest too deeply/],
    [Array(100).fill(0x19), /nest too deeply|there is no type/],
    [[0x15, 2], /a structure runs past its end/],
    [[0x15, ...Array(20).fill(0xff)], /a number is too long/],
  ]
  for (const [bytes, message] of cases) await assert.rejects(async () => walk(bytes), message)
})

test('pages: every size and count is checked before anything of that size is made', async () => {
  const rows = 100
  const pages = (fields: Fields, data: number[] = [], codec: 'UNCOMPRESSED' | 'ZSTD' = 'UNCOMPRESSED') =>
    checkPages(Uint8Array.from([...thrift(fields), ...data, 0, 0]), rows, codec, true, 'INT64')
  const v1 = (count: number, size = 8, packed = 8, encoding = 0): Fields => ({ 1: 0, 2: size, 3: packed, 5: { 1: count, 2: encoding } })
  const ones = [3, 0, 0, 0, 200, 1, 1, 1] // a run of 100
  const cases: [() => unknown, RegExp][] = [
    [() => pages(v1(2 ** 31 - 1), ones), /a page claims 2147483647 values in a group of 100 rows/],
    [() => pages(v1(100, 2 ** 31 - 1), ones, 'ZSTD'), /a page claims 2147483647 bytes when unpacked/],
    [() => pages(v1(100, 8, 2 ** 31 - 1), ones), /a page claims 2147483647 bytes, \d+ are left/],
    [() => pages(v1(100, 8, -5), ones), /a page claims -5 bytes/],
    [() => pages({ 1: 2, 2: 8, 3: 8, 7: { 1: 2 ** 30 } }, ones), /a page claims 1073741824 values/],
    [() => pages({ 1: 3, 2: 8, 3: 8, 8: { 1: 100, 2: 0, 3: 100, 4: 0, 5: 20, 6: 0 } }, ones), /a page claims 8 bytes when unpacked/],
    [() => pages({ 1: 3, 2: 8, 3: 8, 8: { 1: 100, 2: -1, 3: 100, 4: 0, 5: 2, 6: 0 } }, ones), /a negative size/],
    [() => pages({ 1: 1, 2: 8, 3: 8 }, ones), /no header of its kind/],
    [() => pages(v1(100, 12, 12), [6, 0, 0, 0, 0xfe, 0xff, 0xff, 0xff, 0x7f, 1, 0, 0]), /a page of 100 values claims a run of/],
    [() => pages(v1(100, 14, 14, 8), [3, 0, 0, 0, 200, 1, 1, 8, 0xfe, 0xff, 0xff, 0xff, 0x7f, 1]), /a page of 100 values claims a run of/],
    [
      () => pages(v1(100, 14, 14, 5), [3, 0, 0, 0, 200, 1, 1, 0x80, 1, 0xff, 0xff, 0xff, 0x7f, 1]),
      /claims blocks of 128 numbers in 268435455 parts/,
    ],
  ]
  for (const [work, message] of cases) await assert.rejects(async () => work(), message)
  assert.equal(pages(v1(100), ones), [])
})

test('files with random damage are read or refused, quickly', async () => {
  const random = rng()
  let refused = 0
  for (const name of ['none', 'snappy', 'zstd', 'v2', 'delta']) {
    const whole = await bytesOf(name)
    for (let trial = 0; trial < 40; trial++) {
      const file = whole.slice()
      const from = trial % 2 ? file.length - 1500 : 0 // half of them in the description
      for (let k = random.int(1, 6); k > 0; k--) file[random.int(Math.max(0, from), file.length - 9)] = random.int(0, 255)
      const start = performance.now()
      await load(file, { text: 'text' }).catch((thrown) => {
        assert.ok(thrown instanceof Error && /^data\/train\.parquet/.test(thrown.message), String(thrown))
        refused++
      })
      assert.ok(performance.now() - start < 60_000, `trial ${trial} of ${name} took ${performance.now() - start} ms`)
    }
  }
  assert.ok(refused > 20, `${refused} refused`)
})
