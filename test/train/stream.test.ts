import { type IterableDataset, loadDataset } from '../../src/data'
import { type Files, memoryFiles } from '../../src/io'
import { getPeftModel } from '../../src/peft'
import { Trainer, type TrainingArguments } from '../../src/train'
import { assert, openTestDevice, test } from '../harness'
import { miniTokenizer, tinyModel, wordTask } from '../tiny'

async function streamed(rows: number): Promise<IterableDataset> {
  const lines = wordTask(rows).rows.map((r, i) => JSON.stringify({ text: `${i} ${r.text}`, label: r.label }))
  const files = memoryFiles('data', [['train.jsonl', new TextEncoder().encode(lines.join('\n'))]])
  const columns = { text: 'text', label: 'label' }
  const { train } = await loadDataset('auto', { train: { files, path: 'train.jsonl' } }, columns, { streaming: true })
  return train.shuffle({ seed: 5, bufferSize: 4 })
}

interface Run {
  dataset?: IterableDataset
  args?: TrainingArguments
  files?: Files
  rows?: number
}

/** A trainer, and the texts that it tokenises. */
async function start({ args, files, rows = 10, dataset }: Run = {}): Promise<{ trainer: Trainer; seen: string[] }> {
  const model = await getPeftModel(await tinyModel(await openTestDevice(), { hidden_dropout_prob: 0.1 }), { peftType: 'CONDLORA' })
  const tokenizer = await miniTokenizer()
  const seen: string[] = []
  const trainer = new Trainer({
    model,
    processingClass: {
      padTokenId: tokenizer.padTokenId,
      modelMaxLength: tokenizer.modelMaxLength,
      encodeBatch: (texts, options) => {
        seen.push(...texts.map(String))
        return tokenizer.encodeBatch(texts, options)
      },
    },
    trainDataset: dataset ?? (await streamed(rows)),
    args: { perDeviceTrainBatchSize: 4, learningRate: 1e-2, maxSteps: 8, loggingSteps: 1, ...args },
    files,
    notice: () => {},
  })
  return { trainer, seen }
}

const bytes = async (trainer: Trainer) => [...(await trainer.model.parameters.values.data())]
const losses = (trainer: Trainer) => trainer.logHistory.map((e) => e.loss)

test('rows come pass after pass, each in its own order; the last, shorter batch of a pass is kept', async () => {
  const { trainer, seen } = await start({ args: { maxSteps: 5 } })
  await trainer.train()
  const dataset = await streamed(10)
  const wanted: string[] = []
  for (const epoch of [0, 1]) for await (const { text } of dataset.stream(epoch)) wanted.push(text)
  assert.equal(seen, wanted.slice(0, 18)) // 4, 4, 2, 4, 4
  assert.not.equal(wanted.slice(0, 10), wanted.slice(10), 'another order')
  assert.equal([...wanted.slice(0, 10)].sort(), [...wanted.slice(10)].sort(), 'the same rows')
})

test('accumulation: an optimizer step takes its micro-batches from the stream', async () => {
  const { trainer, seen } = await start({ args: { perDeviceTrainBatchSize: 2, gradientAccumulationSteps: 3, maxSteps: 2 } })
  await trainer.train()
  assert.is(seen.length, 10)
})

test('a resumed run reads up to its step without tokenising, and ends at the same bytes', async () => {
  const args = { saveSteps: 2 }
  const whole = await start({ args, files: memoryFiles('whole') })
  await whole.trainer.train()
  const files = memoryFiles('run')
  const first = await start({ args, files })
  const stop = new AbortController()
  first.trainer.on('checkpoint', ({ step }) => step === 4 && stop.abort(new Error('enough')))
  await assert.rejects(first.trainer.train({ signal: stop.signal }), /enough/)
  const second = await start({ args, files })
  await second.trainer.train({ resumeFromCheckpoint: true })
  assert.equal(await bytes(second.trainer), await bytes(whole.trainer))
  assert.equal(losses(second.trainer), losses(whole.trainer))
  assert.equal(second.seen, whole.seen.slice(first.seen.length))
})

test('a checkpoint of another stream is refused', async () => {
  const files = memoryFiles('run')
  await (await start({ args: { maxSteps: 2, saveSteps: 1 }, files })).trainer.train()
  const other = await start({ args: { maxSteps: 2, saveSteps: 1 }, files, rows: 11 })
  await assert.rejects(other.trainer.train({ resumeFromCheckpoint: true }), /belongs to another run: data was streamed, .* is streamed, /)
})

test('a stream wants maxSteps, and its labels are checked', async () => {
  const { trainer } = await start({ args: { maxSteps: undefined } })
  await assert.rejects(trainer.train(), /streamed has no known length: give maxSteps instead of numTrainEpochs/)
  const files = memoryFiles('data', [['a', new TextEncoder().encode('text,label\na,0\nb,1\nc,2\n')]])
  const columns = { text: 'text', label: 'label' }
  const { train } = await loadDataset('csv', { train: { files, path: 'a' } }, columns, { streaming: true })
  const three = await start({ dataset: train })
  await assert.rejects(three.trainer.train(), /row 2 of the data set: label: wanted 0 to 1 \(numLabels 2\), got 2/)
})
