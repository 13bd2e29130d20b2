import { parquetWriteBuffer } from 'hyparquet-writer'
import { type Peek, peek } from '../../src/data/peek'
import { memoryFiles } from '../../src/io'
import { assert, fixture, test } from '../harness'

const look = (path: string, content: string | Uint8Array, count?: number): Promise<Peek> => {
  const bytes = typeof content === 'string' ? new TextEncoder().encode(content) : content
  return peek({ files: memoryFiles('data', [[path, bytes]]), path }, count)
}

test('a CSV: its columns, all rows counted, the first ones with their cells', async () => {
  const rows = Array.from({ length: 4000 }, (_, i) => `"text, ""${i}""\nand more",${i % 2}`)
  assert.equal(await look('a.csv', `text , label\r\n\r\n${rows.join('\r\n')}\r\n`, 2), {
    rows: 4000,
    columns: ['text', 'label'],
    first: [
      { text: 'text, "0"\nand more', label: '0' },
      { text: 'text, "1"\nand more', label: '1' },
    ],
  })
})

test('a TSV and JSON lines: quotes mean nothing; keys of the first rows, cells of any kind as text', async () => {
  assert.equal(await look('a.tsv', 'a\tb\n"one\t2\n'), { rows: 1, columns: ['a', 'b'], first: [{ a: '"one', b: '2' }] })
  assert.equal(await look('a.jsonl', '{"a":"x","b":true}\n\n{"b":null,"c":[1]}\n{"d":1}\n', 2), {
    rows: 3,
    columns: ['a', 'b', 'c'],
    first: [
      { a: 'x', b: 'true' },
      { b: '', c: '[1]' },
    ],
  })
})

test('parquet: from the end of the file and its first rows alone; lists are left out', async () => {
  const columnData = [
    { name: 'text', data: ['a', 'b', 'c'], type: 'STRING' as const },
    { name: 'score', data: [0.5, 1, 2], type: 'DOUBLE' as const },
  ]
  const grouped = parquetWriteBuffer({ columnData, rowGroupSize: 2 })
  assert.equal(await look('a.parquet', new Uint8Array(grouped)), {
    rows: 3,
    columns: ['text', 'score'],
    first: [
      { text: 'a', score: '0.5' },
      { text: 'b', score: '1' },
    ],
  })
  const { columns, first } = await look('a.parquet', await fixture('data/snappy.parquet'), 1)
  assert.equal(columns, ['text', 'pair', 'name', 'score', 'half', 'yes', 'small'])
  assert.equal(first.length, 1)
})

test('a broken row is an error with its number, a file without rows one with its name', async () => {
  await assert.rejects(look('a.csv', 'a,b\n1,2\n3\n'), /data\/a\.csv, row 3: wanted 2 columns as in the header, got 1/)
  await assert.rejects(look('a.csv', 'a,b\n1,"2\n'), /data\/a\.csv, row 2: .*quote/i)
  await assert.rejects(look('a.jsonl', '{"a":1}\n{a}\n'), /data\/a\.jsonl, row 2: this is not valid JSON/)
  await assert.rejects(look('a.csv', Uint8Array.of(97, 10, 0xe9, 10)), /data\/a\.csv, row 2, column a: this is not UTF-8 text/)
  await assert.rejects(look('a.jsonl', '{"a":"1"}\n{"a":"2"\n'), /row 2/)
  for (const [name, text] of [
    ['a.csv', 'a,b\n'],
    ['a.tsv', ''],
    ['a.jsonl', '\n\n'],
  ])
    await assert.rejects(look(name, text), new RegExp(`data/${name}: the file has no rows`))
})
