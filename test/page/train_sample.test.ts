// The training page's worker on the sample: to an adapter that other programs load to the same answers; files and models that it is given.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { unzipSync } from 'fflate'
import type { Guess, Settings } from '../../src/app/train/protocol'
import { isLinuxX64 } from '../../src/gpu/chromium.node'
import { memoryFiles, openFolder } from '../../src/io'
import { AutoModelForSequenceClassification } from '../../src/models/auto'
import { PeftModel } from '../../src/peft'
import { assert, openTestDevice, test } from '../harness'
import { condlora } from '../node/command'
import { hubServer } from '../node/hub_server'
import { miniTokenizer } from '../tiny'
import { isPhase, point, points, settings } from './train_case'
import { downloaded, withStand } from './train_stand'

declare const TEST_ROOT: string

// Node and the browser then compute on the same SwiftShader.
const isOwnBrowser = isLinuxX64 && !process.env.CONDLORA_CHROME

function nearly(got: Guess['labels'], wanted: Guess['labels']): void {
  const sorted = (all: Guess['labels']) => [...all].sort((a, b) => (a.label < b.label ? -1 : 1))
  assert.equal(
    sorted(got).map(({ label }) => label),
    sorted(wanted).map(({ label }) => label),
  )
  sorted(got).forEach(({ score }, i) => {
    const other = sorted(wanted)[i].score
    assert.ok(isOwnBrowser ? score === other : Math.abs(score - other) < 1e-5, `${score} is not ${other}`)
  })
}

const mail = 'Congratulations! You have been selected to receive a FREE prize. Click here to claim your money now.'

test(
  'the sample: the loss falls, the model answers while it trains and while it holds, its zip gives the same answers in Node and in the command',
  () =>
    withStand(async (stand) => {
      const device = await stand.call('open', {})
      assert.match(device.adapter, /\w{3}/)
      const data = await stand.call('data', { source: { from: 'sample' } })
      assert.equal([data.rows, data.columns, data.first.length], [4329, ['text', 'label'], 5])
      const model = await stand.call('model', { base: { from: 'embedded' } })
      assert.equal([model.name, model.layers, model.hiddenSize], ['roberta-mini', 4, 128])
      const told = (await stand.events()).filter((e) => e.event === 'download')
      assert.ok(
        told.some((e) => e.file.endsWith('model.safetensors') && e.done === e.total),
        JSON.stringify(told.slice(-3)),
      )
      await assert.rejects(stand.call('predict', { text: mail }), /train a model or load an adapter first/)
      const sample: Settings = { ...settings, perDeviceTrainBatchSize: 16, numTrainEpochs: 24 / 271, learningRate: 5e-3, r: 8 }
      const ended = stand.call('start', { settings: sample })
      await stand.until(point(3))
      await assert.rejects(stand.call('start', { settings: sample }), /a run is on: stop it first/)
      const during = await stand.call('predict', { text: mail })
      assert.ok(during.step >= 3)
      assert.equal(during.labels.map(({ label }) => label).sort(), ['ham', 'spam'])
      assert.ok('adapter_model.safetensors' in unzipSync((await downloaded(stand)).bytes))
      await stand.call('pause', {})
      await stand.until(isPhase('paused'))
      const held = (await stand.events()).length
      const paused = await stand.call('predict', { text: mail })
      const again = await stand.call('predict', { text: mail })
      assert.equal(again, paused)
      assert.equal((await stand.events()).slice(held), [], 'nothing goes on while it holds')
      await stand.call('proceed', {})
      const outcome = await ended
      assert.equal([outcome.why, outcome.step], ['done', 24])
      assert.ok((outcome.evalAccuracy ?? 0) > 0.6 && (outcome.bestStep ?? 0) > 0, JSON.stringify(outcome))
      const events = await stand.events()
      const begin = events.find((e) => e.event === 'begin')
      assert.ok(begin?.event === 'begin' && begin.totalSteps === 24 && begin.trained > 0 && begin.memory > begin.trained * 4)
      const losses = points(events).map(({ loss }) => loss as number)
      assert.is(losses.length, 24)
      const mean = (some: number[]) => some.reduce((a, b) => a + b) / some.length
      assert.ok(mean(losses.slice(-6)) < 0.9 * mean(losses.slice(0, 6)), losses.join(' '))
      const guess = await stand.call('predict', { text: mail })
      assert.ok(guess.labels[0].score >= guess.labels[1].score)
      const { name, bytes } = await downloaded(stand)
      assert.is(name, 'roberta-mini-condlora.zip')
      await sameInNode(unzipSync(bytes), guess)
      const zip = { name, base64: Buffer.from(bytes).toString('base64') }
      const loaded = await stand.callWith('adapter', '{"files":["$0"]}', [zip])
      assert.equal(loaded, { method: 'CONDLORA', labels: ['ham', 'spam'] })
      assert.equal((await stand.call('predict', { text: mail })).labels, guess.labels)
      const [first] = await stand.call('addCompared', {})
      assert.equal(first, { name: 'condlora', method: 'CONDLORA', labels: ['ham', 'spam'] })
      await stand.callWith('addCompared', '{"files":["$0"]}', [zip])
      const names = (await stand.callWith('addCompared', '{"files":["$0"]}', [zip])).map((each) => each.name)
      assert.equal(names, ['condlora', 'roberta-mini-condlora', 'roberta-mini-condlora-2'])
      const compared = await stand.call('compare', { text: mail })
      assert.equal(
        compared.map((each) => each.name),
        names,
      )
      for (const { labels, ms } of compared) {
        nearly(labels, guess.labels)
        assert.ok(ms > 0)
      }
      await stand.trouble({ destroy: true })
      await stand.call('removeCompared', { name: 'condlora' })
      const afterLoss = await stand.call('compare', { text: mail })
      assert.equal(
        afterLoss.map(({ name, labels }) => ({ name, labels })),
        compared.slice(1).map(({ name, labels }) => ({ name, labels })),
      )
    }),
  { timeoutMs: 400_000 },
)

/** By the library, also where the adapter is taken as plain LoRA, and by the command. */
async function sameInNode(files: Record<string, Uint8Array>, guess: Guess): Promise<void> {
  const device = await openTestDevice()
  for (const folder of ['', 'as-lora/']) {
    const base = await AutoModelForSequenceClassification.fromPretrained('models/roberta-mini', {
      device,
      id2label: ['ham', 'spam'],
      notice: () => {},
    })
    const adapter = memoryFiles(
      'adapter',
      Object.entries(files)
        .flatMap(([path, data]) => (path.startsWith(folder) ? [[path.slice(folder.length), data] as const] : []))
        .map(([p, d]) => [p, d]),
    )
    const [{ scores }] = await (await PeftModel.fromPretrained(base, adapter)).predict([mail], await miniTokenizer())
    const found = scores.map((score, i) => ({ label: ['ham', 'spam'][i], score }))
    if (folder === '') nearly(found, guess.labels)
    else for (const { label, score } of found) assert.ok(Math.abs(score - (guess.labels.find((l) => l.label === label)?.score ?? 9)) < 1e-4)
  }
  const cwd = mkdtempSync(join(tmpdir(), 'condlora-page-'))
  try {
    for (const [path, data] of Object.entries(files)) {
      mkdirSync(dirname(join(cwd, path)), { recursive: true })
      writeFileSync(join(cwd, path), data)
    }
    const args = ['predict', '--model', join(TEST_ROOT, 'models/roberta-mini'), '--adapter-folder', cwd, '--json', mail]
    const { code, out, err } = await condlora(args, { cwd })
    assert.is(code, 0, err)
    const { label, score } = JSON.parse(out)
    assert.is(label, guess.labels[0].label)
    assert.ok(Math.abs(score - guess.labels[0].score) < 1e-5)
  } finally {
    rmSync(cwd, { recursive: true })
  }
}

test(
  'what is broken is refused: rows by their number, columns by their name, files that are no model, no adapter',
  () =>
    withStand(async (stand) => {
      const choose = (name: string, text: string) => stand.callWith('data', '{"source":{"from":"file","file":"$0"}}', [{ name, text }])
      await assert.rejects(
        choose('rows.csv', 'text,label\ngood,ham\nbad\nalso,spam\n'),
        /rows\.csv, row 3: wanted 2 columns as in the header, got 1/,
      )
      await assert.rejects(choose('rows.csv', 'text,label\na,ham\n"never closed,spam\n'), /rows\.csv, row 3: .*[Qq]uote/)
      await assert.rejects(choose('rows.jsonl', '{"text":"a","label":0}\n{"text"\n'), /rows\.jsonl, row 2: this is not valid JSON/)
      await assert.rejects(choose('rows.csv', 'text,label\n'), /rows\.csv: the file has no rows/)
      await assert.rejects(choose('rows.xls', 'x'), /cannot tell the format/)
      const info = await choose('rows.tsv', `line\tkind\n${'some text\t1\nmore\t0\n'.repeat(10)}`)
      assert.equal([info.rows, info.columns, info.first[0]], [20, ['line', 'kind'], { line: 'some text', kind: '1' }])
      await assert.rejects(stand.call('start', { settings }), /choose a base model first/)
      await stand.call('model', { base: { from: 'embedded' } })
      await assert.rejects(stand.call('start', { settings }), /the column "text" is not there; the file has "line", "kind"/)
      await assert.rejects(stand.call('start', { settings: { ...settings, text: 'line', label: 'kind', r: 0 } }), /r: wanted/)
      assert.is(await stand.call('unfinished', {}), null)
      await assert.rejects(
        stand.callWith('adapter', '{"files":["$0"]}', [{ name: 'a.zip', text: 'no zip' }]),
        /a\.zip: this zip file cannot be read/,
      )
      await assert.rejects(
        stand.callWith('adapter', '{"files":["$0"]}', [{ name: 'a.txt', text: 'x' }]),
        /there is no adapter_config\.json/,
      )
      const model = '{"base":{"from":"files","name":"notes","files":[{"path":"notes.txt","file":"$0"}]}}'
      await assert.rejects(stand.callWith('model', model, [{ name: 'notes.txt', text: 'x' }]), /notes: there is no config\.json/)
      await assert.rejects(stand.call('pause', {}), /no run is on/)
    }),
  { timeoutMs: 300_000 },
)

test(
  'a model of the hub is kept with its size, read without the network afterwards, and cleared',
  async () => {
    const names = ['config.json', 'tokenizer.json', 'tokenizer_config.json', 'model.safetensors']
    const files = Object.fromEntries(
      await Promise.all(names.map(async (n) => [n, await openFolder(join(TEST_ROOT, 'models/roberta-mini')).read(n)])),
    )
    const hub = await hubServer([
      { id: 'owner/mini', commit: '0123456789abcdef0123456789abcdef01234567', files, large: ['model.safetensors'] },
    ])
    try {
      await withStand(async (stand) => {
        const choose = () => stand.call('model', { base: { from: 'hub', id: 'owner/mini', endpoint: hub.url } })
        const info = await choose()
        assert.equal([info.name, info.layers, info.bytes], ['owner/mini', 4, files['model.safetensors'].length])
        const weights = (await stand.events()).flatMap((e) => (e.event === 'download' && e.file === 'model.safetensors' ? [e] : []))
        assert.equal(
          [weights.at(-1)?.done, weights.at(-1)?.total],
          [info.bytes, info.bytes],
          JSON.stringify(await stand.events()).slice(0, 2000),
        )
        const downloads = () => hub.seen.splice(0).filter(({ host }) => host === 'cdn').length
        assert.is(downloads(), 1)
        assert.equal(await choose(), info)
        assert.is(downloads(), 0)
        const [stored] = await stand.call('stored', {})
        assert.is(stored.name, 'owner/mini')
        assert.ok(stored.bytes > info.bytes)
        await stand.call('clear', {})
        assert.equal(await stand.call('stored', {}), [])
        await choose()
        assert.is(downloads(), 1)
      })
    } finally {
      await hub.close()
    }
  },
  { timeoutMs: 300_000 },
)
