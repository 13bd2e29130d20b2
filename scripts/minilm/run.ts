// all-MiniLM-L6-v2 here against transformers: `node dist/scripts/minilm.js MODEL OUT`, OUT as reference.py wrote it.
import { AutoTokenizer } from '../../src/data'
import { type Device, openDevice } from '../../src/gpu'
import { noGrad } from '../../src/graph'
import { type Files, memoryFiles, openFolder, openSafetensors, readJson, readTensor } from '../../src/io'
import { AutoModelForSequenceClassification } from '../../src/models/auto'
import { hostInputs, inputTensors, writeInputs } from '../../src/models/inputs'
import type { ModelForSequenceClassification } from '../../src/models/sequence_classification'
import { Pass } from '../../src/nn/pass'
import { allOk, compare, type Reference, report, type Tensors, type Tokens } from './compare'
import { tenSteps } from './condlora'

async function main(folder: string, out: string): Promise<void> {
  const reference = (await readJson(openFolder(out), 'reference.json')) as unknown as Reference
  const expected = await tensors(openFolder(out), 'expected.safetensors')
  const device = await openDevice({ software: true })
  console.log(device.adapterName)
  await compareTokens(openFolder(folder), reference)
  for (const [kind, files] of [
    ['f32', openFolder(folder)],
    ['f16', openFolder(`${out}/f16`)],
  ] as const) {
    const start = performance.now()
    const model = await load(files, device)
    console.log(`     ${kind} weights: ${model.parameterCount} numbers loaded in ${seconds(start)}`)
    const wanted = expected.get(kind) as Float32Array
    const got = await embeddings(model, reference)
    compare(`${kind} weights: embeddings of ${reference.sentences.length} sentences`, got, wanted, 1e-5)
    compare(`${kind} weights: the worst of them`, ...worst(got, wanted, model.config.hiddenSize), 1e-5)
  }
  await tenSteps(await load(openFolder(folder), device), reference, await tensors(openFolder(out), 'start.safetensors'), expected)
  process.exitCode = allOk() ? 0 : 1
}

/** The model without dropout, its classifier drawn. */
async function load(files: Files, device: Device): Promise<ModelForSequenceClassification> {
  const config = { ...(await readJson(files, 'config.json')), hidden_dropout_prob: 0, attention_probs_dropout_prob: 0 }
  const own = memoryFiles(files.name, [['config.json', new TextEncoder().encode(JSON.stringify(config))]])
  const source: Files = {
    ...files,
    size: (path) => (path === 'config.json' ? own : files).size(path),
    read: (path, start, end) => (path === 'config.json' ? own : files).read(path, start, end),
  }
  return AutoModelForSequenceClassification.fromPretrained(source, { device, notice: (text) => console.log(`     ${text}`) })
}

/** Mean of the last hidden states over the mask, of length 1: what sentence-transformers computes. */
async function embeddings(model: ModelForSequenceClassification, tokens: Tokens): Promise<Float32Array> {
  const host = hostInputs(tokens, model.config)
  const inputs = inputTensors(model.device, host.batch, host.length)
  writeInputs(inputs, host)
  const start = performance.now()
  const hidden = await noGrad(() => model.encoder.forward(inputs, new Pass())).data()
  console.log(`     forward of [${host.batch}, ${host.length}] in ${seconds(start)}`)
  const h = model.config.hiddenSize
  const out = new Float32Array(host.batch * h)
  for (let row = 0; row < host.batch; row++) {
    const mean = new Float64Array(h)
    for (let i = row * host.length; i < (row + 1) * host.length; i++)
      if (host.attentionMask[i]) for (let j = 0; j < h; j++) mean[j] += hidden[i * h + j]
    const length = Math.hypot(...mean)
    out.set(
      mean.map((v) => v / length),
      row * h,
    )
  }
  return out
}

/** The sentence whose embedding is farthest off: got and wanted. */
function worst(got: Float32Array, wanted: Float32Array, h: number): [Float32Array, Float32Array] {
  const rows = Array.from({ length: wanted.length / h }, (_, r): [Float32Array, Float32Array] => [
    got.subarray(r * h, (r + 1) * h),
    wanted.subarray(r * h, (r + 1) * h),
  ])
  const off = ([a, b]: [Float32Array, Float32Array]) => a.reduce((sum, v, i) => sum + (v - b[i]) ** 2, 0)
  return rows.reduce((most, row) => (off(row) > off(most) ? row : most))
}

async function compareTokens(files: Files, { sentences, inputIds, attentionMask }: Reference): Promise<void> {
  const tokenizer = await AutoTokenizer.fromPretrained(files)
  const ours = tokenizer.encodeBatch(sentences, { maxLength: 128 }).map((e) => e.ids)
  const theirs = inputIds.map((row, r) => row.filter((_, i) => attentionMask[r][i]))
  const same = JSON.stringify(ours) === JSON.stringify(theirs)
  report(same, `token ids of ${sentences.length} sentences`)
}

async function tensors(files: Files, path: string): Promise<Tensors> {
  const entries = await openSafetensors(files, path)
  return new Map(await Promise.all([...entries].map(async ([name, e]) => [name, (await readTensor(e)) as Float32Array] as const)))
}

const seconds = (start: number) => `${((performance.now() - start) / 1000).toFixed(1)} s`

const [folder, out] = process.argv.slice(2)
if (!out) {
  console.error('usage: node dist/scripts/minilm.js MODEL OUT (see scripts/minilm/README.md)')
  process.exit(2)
}
await main(folder, out)
