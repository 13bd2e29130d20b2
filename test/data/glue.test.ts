import { parquetWriteBuffer } from 'hyparquet-writer'
import { type Dataset, type GlueName, type GlueOptions, glueTasks, loadDataset, paperSplit } from '../../src/data'
import { paperValidationRows } from '../../src/data/glue'
import { memoryFiles } from '../../src/io'
import { assert, fixture, test } from '../harness'

const golden = JSON.parse(new TextDecoder().decode(await fixture('data/numpy.json'))) as { mapped: { rows: number[] } }

/** First lines of the classic files, with what they hold: [text, pair, label]. */
type Example = [string, string | undefined, number]
interface Classic {
  folder: string
  header: string
  /** Of the test file. */
  testHeader: string
  line: (e: Example, i: number) => string
  testLine: (e: Example, i: number) => string
}

const plain = (columns: string, cells: (e: Example) => string[]): Omit<Classic, 'folder'> => ({
  header: `${columns}\tlabel`,
  testHeader: `index\t${columns.replace(/^index\t/, '')}`,
  line: (e, i) => [...(columns.startsWith('index') ? [i] : []), ...cells(e), e[2]].join('\t'),
  testLine: (e, i) => [i, ...cells(e)].join('\t'),
})
const names = (task: GlueName, label: number) => glueTasks[task].labelNames?.[label] ?? ''
const twoTexts = (task: GlueName, one: string, two: string): Omit<Classic, 'folder'> => ({
  ...plain(`index\t${one}\t${two}`, ([a, b]) => [a, b ?? '']),
  line: ([a, b, label], i) => `${i}\t${a}\t${b}\t${task === 'wnli' ? label : names(task, label)}`,
})

const classic: Record<GlueName, Classic> = {
  cola: {
    folder: 'CoLA',
    header: '',
    testHeader: 'index\tsentence',
    line: ([a, , label]) => `gj04\t${label}\t${label ? '' : '*'}\t${a}`,
    testLine: ([a], i) => `${i}\t${a}`,
  },
  sst2: { folder: 'SST-2', ...plain('sentence', ([a]) => [a]) },
  mrpc: {
    folder: 'MRPC',
    header: '\uFEFFQuality\t#1 ID\t#2 ID\t#1 String\t#2 String',
    testHeader: '\uFEFFindex\t#1 ID\t#2 ID\t#1 String\t#2 String',
    line: ([a, b, label]) => `${label}\t702\t703\t${a}\t${b}`,
    testLine: ([a, b], i) => `${i}\t702\t703\t${a}\t${b}`,
  },
  stsb: {
    folder: 'STS-B',
    header: 'index\tgenre\tfilename\tyear\told_index\tsource1\tsource2\tsentence1\tsentence2\tscore',
    testHeader: 'index\tgenre\tfilename\tyear\told_index\tsource1\tsource2\tsentence1\tsentence2',
    line: ([a, b, label], i) => `${i}\tnews\tx\t2012\t1\tn\tn\t${a}\t${b}\t${label.toFixed(3)}`,
    testLine: ([a, b], i) => `${i}\tnews\tx\t2012\t1\tn\tn\t${a}\t${b}`,
  },
  qqp: {
    folder: 'QQP',
    header: 'id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate',
    testHeader: 'id\tquestion1\tquestion2',
    line: ([a, b, label], i) => `${i}\t1\t2\t${a}\t${b}\t${label}`,
    testLine: ([a, b], i) => `${i}\t${a}\t${b}`,
  },
  mnli: {
    folder: 'MNLI',
    header: 'index\tpromptID\tgenre\tsentence1\tsentence2\tlabel1\tgold_label',
    testHeader: 'index\tpromptID\tgenre\tsentence1\tsentence2',
    line: ([a, b, label], i) => `${i}\t9\tfiction\t${a}\t${b}\tneutral\t${names('mnli', label)}`,
    testLine: ([a, b], i) => `${i}\t9\tfiction\t${a}\t${b}`,
  },
  qnli: { folder: 'QNLI', ...twoTexts('qnli', 'question', 'sentence') },
  rte: { folder: 'RTE', ...twoTexts('rte', 'sentence1', 'sentence2') },
  wnli: { folder: 'WNLI', ...twoTexts('wnli', 'sentence1', 'sentence2') },
}

const tasks = Object.keys(glueTasks) as GlueName[]
const utf8 = (text: string) => new TextEncoder().encode(text)
const splitsOf = (task: GlueName) => ['train', ...glueTasks[task].validation, ...glueTasks[task].test]

/** What a split holds; test rows have no label. */
function examples(task: GlueName, split: string, count = 6): Example[] {
  const { columns, numLabels } = glueTasks[task]
  return Array.from({ length: count }, (_, i) => [
    `${split} "${i} of ${task}`,
    columns.textPair && `pair ${i}, é`,
    split.startsWith('test') ? -1 : numLabels === 1 ? i : i % numLabels,
  ])
}

function tsvFiles(task: GlueName): [string, Uint8Array][] {
  const { folder, header, testHeader, line, testLine } = classic[task]
  return splitsOf(task).map((split) => {
    const isTest = split.startsWith('test')
    const lines = examples(task, split).map(isTest ? testLine : line)
    const head = isTest ? testHeader : header
    return [`${folder}/${split.replace('validation', 'dev')}.tsv`, utf8(`${[...(head ? [head] : []), ...lines].join('\n')}\n`)]
  })
}

function parquet(task: GlueName, rows: Example[]): Uint8Array {
  const { columns, numLabels } = glueTasks[task]
  const regression = numLabels === 1
  return new Uint8Array(
    parquetWriteBuffer({
      columnData: [
        { name: columns.text, data: rows.map((e) => e[0]), type: 'STRING' },
        ...(columns.textPair ? [{ name: columns.textPair, data: rows.map((e) => e[1]), type: 'STRING' as const }] : []),
        { name: 'label', data: rows.map((e) => (regression ? e[2] : BigInt(e[2]))), type: regression ? 'FLOAT' : 'INT64' },
        { name: 'idx', data: rows.map((_, i) => i), type: 'INT32' },
      ],
    }),
  )
}

const parquetFiles = (task: GlueName): [string, Uint8Array][] =>
  splitsOf(task).map((split) => [`${task}/${split}-00000-of-00001.parquet`, parquet(task, examples(task, split))])

const load = (task: GlueName, entries: [string, Uint8Array][], options: Partial<GlueOptions> = {}): Promise<Record<string, Dataset>> =>
  loadDataset('glue', { task, files: memoryFiles('glue', entries), notice: () => {}, ...options })

test('every task reads the same rows from TSV and from parquet', async () => {
  assert.is(tasks.length, 9)
  for (const task of tasks)
    for (const [kind, entries] of Object.entries({ tsv: tsvFiles(task), parquet: parquetFiles(task) })) {
      const found = await load(task, entries)
      assert.equal(Object.keys(found), splitsOf(task), `${task}, ${kind}`)
      for (const split of splitsOf(task)) {
        const wanted = examples(task, split).map(([text, pair, label]) => ({
          text,
          ...(pair === undefined ? {} : { pair }),
          ...(split.startsWith('test') ? {} : { label }),
        }))
        assert.equal(found[split].rows, wanted, `${task}, ${kind}, ${split}`)
        assert.equal(found[split].labelNames, glueTasks[task].labelNames)
        assert.equal(found[split].columns, glueTasks[task].columns)
      }
    }
})

test('the table: labels, metrics and what the best model is chosen by', () => {
  for (const task of tasks) {
    const { labelNames, numLabels, metrics, metricForBestModel } = glueTasks[task]
    assert.is(labelNames?.length ?? 1, numLabels, task)
    assert.is(metricForBestModel.toLowerCase(), `eval${metrics[0]}`)
  }
  assert.equal(
    tasks.map((t) => glueTasks[t].metrics.join('+')),
    ['matthews', 'accuracy', 'accuracy+f1', 'pearson+spearman', 'accuracy+f1', 'accuracy', 'accuracy', 'accuracy', 'accuracy'],
  )
  assert.equal(glueTasks.mnli.labelNames, ['entailment', 'neutral', 'contradiction'])
})

test('folders: inside that of the task, in a tree of others, parquet in parts and before TSV', async () => {
  const inside = tsvFiles('sst2').map(([path, bytes]): [string, Uint8Array] => [path.replace('SST-2/', ''), bytes])
  assert.is((await load('sst2', inside)).train.rows.length, 6)
  const rows = examples('rte', 'train')
  const parts: [string, Uint8Array][] = [
    ['x/rte/train-00001-of-00002.parquet', parquet('rte', rows.slice(4))],
    ['x/rte/train-00000-of-00002.parquet', parquet('rte', rows.slice(0, 4))],
    ['x/rte/validation-00000-of-00001.parquet', parquet('rte', examples('rte', 'validation'))],
    ['RTE/train.tsv', utf8('not looked at')],
    ...tsvFiles('qnli'),
  ]
  const { train, ...others } = await load('rte', parts)
  assert.equal(
    train.rows.map((r) => r.text),
    rows.map((e) => e[0]),
  )
  assert.equal(Object.keys(others), ['validation'])
})

test("the paper's split: sizes of spec 2.5, the rows of train.shuffle(seed=1)", async () => {
  const sizes = { cola: 8551, mrpc: 3668, rte: 2490, stsb: 5749, sst2: 67_349, qnli: 104_743, qqp: 363_846, mnli: 392_702 }
  const validation = { cola: 855, mrpc: 367, rte: 249, stsb: 575, sst2: 6735, qnli: 10_474, qqp: 36_385, mnli: 39_270 }
  for (const [task, n] of Object.entries(sizes)) assert.is(paperValidationRows(n), validation[task as keyof typeof sizes], task)
  assert.equal([5, 15, 25].map(paperValidationRows), [0, 2, 2], "Python's round")
  const rows = Array.from({ length: 100 }, (_, i) => ({ text: String(i), label: 0 }))
  const split = paperSplit({ rows, columns: { text: 'text' } })
  const order = [...split.validation.rows, ...split.train.rows].map((r) => Number(r.text))
  assert.equal([split.validation.rows.length, order], [10, golden.mapped.rows])
})

test("the paper's split of MNLI: matched and mismatched together, and apart", async () => {
  const {
    test: all,
    test_matched,
    test_mismatched,
    train,
    validation,
    ...others
  } = await load('mnli', tsvFiles('mnli'), { split: 'paper' })
  assert.equal(all.rows, [...test_matched.rows, ...test_mismatched.rows])
  assert.is(test_mismatched.rows[0].text, 'validation_mismatched "0 of mnli')
  assert.equal([train.rows.length, validation.rows.length, Object.keys(others)], [5, 1, []])
  const rte = await load('rte', parquetFiles('rte'), { split: 'paper' })
  assert.equal(Object.keys(rte), ['train', 'validation', 'test'])
  assert.ok(rte.test.rows.every((r) => r.label !== undefined))
})

test('rows with too few columns are passed over with a notice, as in QQP', async () => {
  const entries = tsvFiles('qqp')
  const train = new TextDecoder().decode(entries[0][1])
  const notices: string[] = []
  entries[0][1] = utf8(`${train}7\t1\t2\tonly one question\n8\t1\t2\ta\tb\t1\textra\n`)
  const found = await load('qqp', entries, { notice: (text) => notices.push(text) })
  assert.is(found.train.rows.length, 7)
  assert.equal(notices, ['glue/QQP/train.tsv: 1 rows with too few columns were passed over'])
})

test('what is wrong is named', async () => {
  const bad = (work: Promise<unknown>, message: RegExp) => assert.rejects(work, message)
  await bad(load('sst3' as GlueName, []), /glue: task: wanted one of cola, sst2, .*, got "sst3"/)
  await bad(load('sst2', [], { split: 'half' as 'paper' }), /glue: split: wanted 'official' or 'paper', got "half"/)
  await bad(
    load('sst2', tsvFiles('cola')),
    /^glue: GLUE's sst2 wants sst2\/train-00000-of-00001\.parquet or SST-2\/train\.tsv for its split train; neither is there$/,
  )
  await bad(load('mnli', tsvFiles('mnli').slice(0, 2)), /or MNLI\/dev_mismatched\.tsv for its split validation_mismatched/)
  const odd = tsvFiles('rte')
  odd[0][1] = utf8('index\tsentence1\tsentence2\tlabel\n0\ta\tb\tmaybe\n')
  await bad(
    load('rte', odd),
    /^glue\/RTE\/train\.tsv, row 2, column label: unknown label "maybe"; wanted one of entailment, not_entailment$/,
  )
  odd[0][1] = utf8('index\tsentence1\tlabel\n0\ta\tentailment\n')
  await bad(load('rte', odd), /^glue\/RTE\/train\.tsv: the column "sentence2" is not there; the file has "index", "sentence1", "label"$/)
  const stars = parquetFiles('sst2')
  stars[0][1] = parquet('sst2', [['a', undefined, 2]])
  await bad(
    load('sst2', stars),
    /^glue\/sst2\/train-00000-of-00001\.parquet, row 1, column label: wanted a class number from 0 to 1, got 2$/,
  )
})
