import { type Columns, type DataFormat, type Dataset, loadDataset } from '../../src/data'
import { memoryFiles } from '../../src/io'
import { assert, rng, test } from '../harness'

const both: Columns = { text: 'text', label: 'label' }

/** Loads one split, `train`, from the text of a file. */
async function load(format: DataFormat, text: string | Uint8Array, columns = both, labelNames?: string[]): Promise<Dataset> {
  const bytes = typeof text === 'string' ? new TextEncoder().encode(text) : text
  const files = memoryFiles('data', [['train', bytes]])
  return (await loadDataset(format, { train: { files, path: 'train' } }, columns, { labelNames })).train
}

test('CSV: quotes, line breaks in cells, blank lines, CRLF, byte order mark', async () => {
  const text = '\uFEFFlabel,text\r\n1,"a, ""b""\nc"\r\n\r\n0,\r\n1, d \r\n'
  const { rows, labelNames, columns } = await load('csv', text)
  assert.equal(rows, [
    { text: 'a, "b"\nc', label: 1 },
    { text: '', label: 0 },
    { text: ' d ', label: 1 },
  ])
  assert.is(labelNames, undefined)
  assert.equal(columns, both)
})

test('TSV: quotes mean nothing', async () => {
  const { rows } = await load('tsv', 'text\tpair\tlabel\n"one lone quote\tx\t0\r\nanother" one, "here"\t"\t1\n', {
    ...both,
    textPair: 'pair',
  })
  assert.equal(rows, [
    { text: '"one lone quote', pair: 'x', label: 0 },
    { text: 'another" one, "here"', pair: '"', label: 1 },
  ])
})

test('JSONL: names, numbers, pairs; other keys are left alone', async () => {
  const text = '{"text":"a\\nb","other":{"x":[1]},"label":"spam"}\n\n{"label":"ham","text":"\u2028"}\n'
  const { rows, labelNames } = await load('jsonl', text)
  assert.equal(rows, [
    { text: 'a\nb', label: 1 },
    { text: '\u2028', label: 0 },
  ])
  assert.equal(labelNames, ['ham', 'spam'])
  assert.equal((await load('jsonl', '{"text":"a","p":"b","label":3}', { ...both, textPair: 'p' })).rows, [
    { text: 'a', pair: 'b', label: 3 },
  ])
})

test('any table written as CSV or TSV is read back', async () => {
  const random = rng()
  const pieces = ['a', ' ', ',', '"', '""', '\n', '\t', 'é', '👍', '0', "'", ';']
  for (let trial = 0; trial < 50; trial++) {
    const rows = Array.from(
      { length: random.int(1, 12) },
      () => `x${Array.from({ length: random.int(0, 6) }, () => pieces[random.int(0, pieces.length - 1)]).join('')}`,
    )
    const csv = `text\n${rows.map((r) => `"${r.replaceAll('"', '""')}"`).join('\n')}\n`
    assert.equal(
      (await load('csv', csv, { text: 'text' })).rows.map((r) => r.text),
      rows,
    )
    const flat = rows.map((r) => r.replace(/[\n\t]/g, '-'))
    assert.equal(
      (await load('tsv', `text\n${flat.join('\n')}`, { text: 'text' })).rows.map((r) => r.text),
      flat,
    )
  }
})

test('class names have the same numbers in every split, sorted or as given', async () => {
  const encode = (text: string) => new TextEncoder().encode(text)
  const files = memoryFiles('data', [
    ['a', encode('text,label\nx,spam\ny,ham\n')],
    ['b', encode('text,label\nz,spam\nw,news\n')],
  ])
  const splits = { train: { files, path: 'a' }, validation: { files, path: 'b' } }
  const { train, validation } = await loadDataset('csv', splits, both)
  assert.equal(train.labelNames, ['ham', 'news', 'spam'])
  assert.equal(validation.labelNames, train.labelNames)
  assert.equal(
    [train, validation].map((s) => s.rows.map((r) => r.label)),
    [
      [2, 0],
      [2, 1],
    ],
  )
  const given = await loadDataset('csv', { train: splits.train }, both, { labelNames: ['spam', 'ham'] })
  assert.equal(
    given.train.rows.map((r) => r.label),
    [0, 1],
  )
})

test('numbers with a fraction are targets of a regression', async () => {
  const { rows, labelNames } = await load('csv', 'text,label\na,2.5\nb,-1\nc,5e-1\n')
  assert.equal(
    rows.map((r) => r.label),
    [2.5, -1, 0.5],
  )
  assert.is(labelNames, undefined)
})

test('without a label column there are no labels', async () => {
  assert.equal((await load('csv', 'text,label\na,7\n', { text: 'text' })).rows, [{ text: 'a' }])
})

const bad: [string, DataFormat, string | Uint8Array, RegExp, Columns?][] = [
  ['an unknown column', 'csv', 'sentence,label\na,1\n', /^data\/train: the column "text" is not there; the file has "sentence", "label"$/],
  ['a column named twice', 'csv', 'text,label,text\na,1,b\n', /column "text" stands twice in the header/],
  [
    'an unknown key',
    'jsonl',
    '{"text":"a","label":1}\n{"sentence":"a"}',
    /^data\/train, row 2: the column "text" is not there; the row has "sentence"$/,
  ],
  ['an empty file', 'csv', '', /^data\/train: the file is empty/],
  ['an empty JSONL', 'jsonl', '\n\n', /^data\/train: the file has no rows$/],
  ['a header alone', 'tsv', 'text\tlabel\n', /^data\/train: the file has no rows below its header/],
  [
    'another encoding',
    'csv',
    Uint8Array.of(...new TextEncoder().encode('text,label\na,1\n'), 0xe9, 44, 49),
    /^data\/train, row 3, column text: this is not UTF-8 text \(after ""\); is it Latin-1 .*Save it as UTF-8, e\.g\. iconv/,
  ],
  ['UTF-16', 'csv', Uint8Array.of(0xff, 0xfe, 116, 0), /^data\/train, row 1: this is not UTF-8 text but UTF-16\. Save it as UTF-8/],
  ['too few columns', 'csv', 'text,label\na,1\n\nb\n', /^data\/train, row 4: wanted 2 columns as in the header, got 1/],
  ['too many columns', 'tsv', 'text\tlabel\na\tb\t1\n', /^data\/train, row 2: wanted 2 columns as in the header, got 3/],
  ['a quote that is never closed', 'csv', 'text,label\nx,1\n"a,1\nb,0\n', /^data\/train, row 3: .*[qQ]uote/],
  ['a quote inside a cell', 'csv', 'text,label\n"a" b,1\n', /^data\/train, row 2: .*quote/],
  ['a missing label', 'csv', 'text,label\na,1\nb, \n', /^data\/train, row 3, column label: the label is missing/],
  ['a null label', 'jsonl', '{"text":"a","label":null}', /^data\/train, row 1, column label: the label is missing/],
  ['a label that is a list', 'jsonl', '{"text":"a","label":[1]}', /row 1, column label: wanted a class name or a number, got \[1\]/],
  [
    'a negative class',
    'tsv',
    'text\tlabel\na\t0\nb\t-1\n',
    /row 3, column label: wanted a class number from 0 to 99999, got -1 \(is this an unlabelled file\?\)/,
  ],
  [
    'a class number that is too large',
    'csv',
    'text,label\na,123456789\n',
    /row 2, column label: wanted a class number from 0 to 99999, got 123456789/,
  ],
  ['a text that is not one', 'jsonl', '{"text":5,"label":1}', /row 1, column text: wanted a text, got 5/],
  ['a line that is not JSON', 'jsonl', '{"text":"a","label":1}\n{"text":', /^data\/train, row 2: this is not valid JSON/],
  ['a line that is no object', 'jsonl', '["a"]', /^data\/train, row 1: wanted a JSON object/],
  ['a line nested too deeply', 'jsonl', `{"text":${'['.repeat(10_000)}`, /^data\/train, row 1: the JSON is nested too deeply/],
]

for (const [what, format, text, message, columns] of bad)
  test(`refuses ${what} (${format})`, () => assert.rejects(() => load(format, text, columns), message))

test('given names bound the labels', async () => {
  await assert.rejects(
    () => load('csv', 'text,label\na,2\n', both, ['no', 'yes']),
    /row 2, column label: wanted a class number from 0 to 1, got 2/,
  )
  await assert.rejects(
    () => load('csv', 'text,label\na,maybe\n', both, ['no', 'yes']),
    /row 2, column label: unknown label "maybe"; wanted one of no, yes/,
  )
})

test('an unknown format, a missing file', async () => {
  await assert.rejects(() => load('xml' as DataFormat, ''), /format: wanted 'csv', 'tsv', 'jsonl', 'parquet', 'auto' or 'glue', got "xml"/)
  await assert.rejects(
    () => loadDataset('csv', { train: { files: memoryFiles('data'), path: 'x' } }, both),
    /^data\/x: there is no such file/,
  )
})

test('auto: the format by the ending of each file; several files make one split', async () => {
  const encode = (text: string) => new TextEncoder().encode(text)
  const files = memoryFiles('data', [
    ['a.csv', encode('text,label\na,0\n')],
    ['b.TSV', encode('text\tlabel\n"b\t1\n')],
    ['c.jsonl', encode('{"text":"c","label":2}\n')],
    ['d.json', encode('{"text":"d","label":3}')],
    ['e.txt', encode('text\n')],
  ])
  const place = (path: string) => ({ files, path })
  const { train, test: rest } = await loadDataset(
    'auto',
    { train: [place('a.csv'), place('b.TSV')], test: [place('c.jsonl'), place('d.json')] },
    both,
  )
  assert.equal(
    [...train.rows, ...rest.rows],
    ['a', '"b', 'c', 'd'].map((text, label) => ({ text, label })),
  )
  await assert.rejects(
    () => loadDataset('auto', { train: place('e.txt') }, both),
    /^data\/e\.txt: cannot tell the format from the name; wanted \.csv, \.tsv, \.jsonl, \.ndjson, \.json, \.parquet: rename the file or name its format$/,
  )
  await assert.rejects(() => loadDataset('csv', { train: [] }, both), /train: wanted at least one file, got none/)
})

test('regression: whole and negative numbers are targets where it is asked for', async () => {
  const files = memoryFiles('data', [['a', new TextEncoder().encode('text,label\na,-2\nb,3\n')]])
  const { train } = await loadDataset('csv', { train: { files, path: 'a' } }, both, { regression: true })
  assert.equal(
    train.rows.map((r) => r.label),
    [-2, 3],
  )
  const bad = memoryFiles('data', [['a', new TextEncoder().encode('text,label\na,2\nb,three\n')]])
  await assert.rejects(
    () => loadDataset('csv', { train: { files: bad, path: 'a' } }, both, { regression: true }),
    /^data\/a, row 3, column label: wanted a number, got "three"$/,
  )
  await assert.rejects(
    () => loadDataset('csv', { train: { files, path: 'a' } }, both, { regression: true, labelNames: ['a'] }),
    /a regression has no classes/,
  )
})

test('class names that look like numbers are names where they are given', async () => {
  const stars = ['1', '2', '3', '4', '5']
  const { rows } = await load('csv', 'text,label\na,5\nb,1\n', both, stars)
  assert.equal(
    rows.map((r) => r.label),
    [4, 0],
  )
  for (const label of [0, 6])
    await assert.rejects(
      () => load('csv', `text,label\na,${label}\n`, both, stars),
      /row 2, column label: unknown label "\d"; wanted one of 1, 2, 3, 4, 5$/,
    )
  const json = await load('jsonl', '{"text":"a","label":4}', both, stars)
  assert.is(json.rows[0].label, 4, 'a number of JSON is a class number')
  await assert.rejects(() => load('csv', 'text,label\na,6\n', both, ['a', 'a']), /a name stands twice/)
})

test('other kinds of files are told by their first bytes', async () => {
  const start = (...bytes: number[]) => Uint8Array.of(...bytes, 0x74, 0x0a, 0x61)
  await assert.rejects(() => load('csv', start(0x1f, 0x8b)), /^data\/train, row 1: this is not text but a gzip file: unpack it$/)
  await assert.rejects(() => load('csv', start(0x50, 0x4b, 3, 4)), /not text but a zip file \(a spreadsheet\?\)/)
  await assert.rejects(() => load('jsonl', start(0x50, 0x41, 0x52, 0x31)), /not text but a parquet file: its format is 'parquet'/)
  await assert.rejects(() => load('csv', start(0, 0x74)), /not UTF-8 text but UTF-16/)
})
