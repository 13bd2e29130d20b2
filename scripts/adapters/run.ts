// `node build.mjs scripts && node dist/scripts/adapters.js [MODEL]`: what a switch between adapters on one base costs. MODEL is a
// folder or a name on the hub; default: roberta-mini. The adapters are drawn, not trained: times and bytes are the same.
import { openDevice } from '../../src/gpu'
import { memoryFiles } from '../../src/io'
import { AutoModelForSequenceClassification } from '../../src/models/auto'
import { getPeftModel, type PeftConfig } from '../../src/peft'
import { TextClassification } from '../../src/peft/text_classification'

const [source = 'models/roberta-mini'] = process.argv.slice(2)
const text = 'Congratulations! You have been selected to receive a free prize. Click here to claim it.'
const configs: Record<string, PeftConfig> = {
  lora: { peftType: 'LORA', r: 8, loraAlpha: 8 },
  condlora: { peftType: 'CONDLORA', r: 8, loraAlpha: 8 },
  vera: { peftType: 'VERA', r: 64 },
}

const device = await openDevice({ software: true })
const live = () => device.memory.stats.liveBytes
const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(2)} MB`

async function timed<T>(work: () => Promise<T>): Promise<{ ms: number; result: T }> {
  const start = performance.now()
  const result = await work()
  return { ms: performance.now() - start, result }
}

const median = (values: number[]) => [...values].sort((a, b) => a - b)[values.length >> 1]

// On another device, whose garbage is not counted.
const other = await openDevice({ software: true, log: () => {} })
const drawn = await Promise.all(
  Object.entries(configs).map(async ([name, config]) => {
    const base = await AutoModelForSequenceClassification.fromPretrained(source, { device: other, notice: () => {} })
    const files = memoryFiles(name)
    await (await getPeftModel(base, config)).savePretrained(files)
    return [name, files] as const
  }),
)

other.destroy()
const empty = live()
const base = await timed(() => TextClassification.fromPretrained(source, { device }))
const classify = base.result
console.log(`${device.adapterName}; ${source}`)
console.log(`base: ${megabytes(live() - empty)}, loaded in ${base.ms.toFixed(0)} ms`)
for (const [name, files] of drawn) {
  const before = live()
  const { ms } = await timed(() => classify.loadAdapter(files, name))
  const grown = live() - before
  const first = await timed(() => classify(text, { adapter: name }))
  const second = await timed(() => classify(text, { adapter: name }))
  console.log(
    `${name}: ${megabytes(grown)}, loaded in ${ms.toFixed(0)} ms; first answer ${first.ms.toFixed(1)} ms (kernels, recording), next ${second.ms.toFixed(1)} ms`,
  )
}

const names = classify.adapterNames
const rounds = 40
const [stay, move]: number[][] = [[], []]
for (let i = 0; i < rounds; i++) {
  const name = names[i % names.length]
  classify.setAdapter(name)
  move.push((await timed(() => classify(text))).ms)
  stay.push((await timed(() => classify(text))).ms)
}
console.log(
  `an answer of the same adapter: ${median(stay).toFixed(2)} ms; of another one: ${median(move).toFixed(2)} ms (medians of ${rounds}): a switch costs ${(median(move) - median(stay)).toFixed(2)} ms`,
)
device.destroy()
