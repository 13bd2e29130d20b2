import { extname } from 'node:path'
import { text as readAll } from 'node:stream/consumers'
import { decodeUtf8, openFile } from '../io'
import type { LabelScore, TextInput } from '../peft/pipeline'
import { TextClassification } from '../peft/text_classification'
import { readTexts } from './data'
import { openCheckedDevice } from './device'
import { UsageError } from './failure'
import { type Common, computeFlags, type Settings } from './flags'
import { classChoice, dtypeOf, findSource, type Source } from './load'
import { print, speaker } from './say'
import { pick } from './settings'

export interface PredictOptions extends Common, Omit<Source, 'run'> {
  file?: string
  pairs?: boolean
  text?: string
  textPair?: string
  [key: string]: unknown
}

/** `condlora predict`: with --model and --adapter-folder there is no RUN, and the first word is a text. */
export async function predict(words: string[], options: PredictOptions): Promise<void> {
  const named = options.model !== undefined || options.adapterFolder !== undefined
  const [run, texts] = named ? [undefined, words] : [words[0], words.slice(1)]
  const { settings, adapterFolder } = await findSource({ ...options, run })
  const inputs = await findTexts(texts, options, settings)
  const say = speaker(options)
  const computed = { ...pick(computeFlags, settings), ...pick(computeFlags, options) }
  const device = await openCheckedDevice(computed, say)
  try {
    const classify = await TextClassification.fromPretrained(settings.model as string, { device, dtype: dtypeOf(computed) })
    await classify.loadAdapter(adapterFolder, 'run', classChoice(settings))
    // In pieces, so that the first results come early.
    const piece = 256
    for (let at = 0; at < inputs.length; at += piece) {
      const some = inputs.slice(at, at + piece)
      const found = await classify(some)
      print(some.map((input, i) => line(input, found[i], options.json ?? false)).join('\n'))
    }
  } finally {
    device.destroy()
  }
}

function line(input: TextInput, { label, score }: LabelScore, json: boolean): string {
  const { text, textPair: pair } = typeof input === 'string' ? { text: input } : input
  if (json) return JSON.stringify({ text, ...(pair === undefined ? {} : { pair }), label, score })
  return [label, score.toFixed(4), text, ...(pair === undefined ? [] : [pair])].map((cell) => cell.replace(/[\t\r\n]+/g, ' ')).join('\t')
}

async function findTexts(words: string[], options: PredictOptions, settings: Settings): Promise<TextInput[]> {
  if (words.length && options.file !== undefined) throw new UsageError('--file: there are texts on the command line too; give one of them')
  const found = words.length ? paired(words, options.pairs ?? false) : await fromFile(options, settings)
  if (!found.length) throw new UsageError('there is no text to predict: give some after the run, by --file, or on stdin')
  return found
}

function paired(words: string[], pairs: boolean): TextInput[] {
  if (!pairs) return words
  if (words.length % 2) throw new UsageError(`--pairs: wanted an even number of texts, got ${words.length}`)
  return Array.from({ length: words.length / 2 }, (_, i) => ({ text: words[2 * i], textPair: words[2 * i + 1] }))
}

/** Lines of a text file or of stdin, or the text columns of a table. */
async function fromFile({ file, pairs, text, textPair }: PredictOptions, settings: Settings): Promise<TextInput[]> {
  if (file !== undefined && extname(file) !== '' && extname(file) !== '.txt') {
    const columns = { text: text ?? settings.text, textPair: textPair ?? settings.textPair }
    return (await readTexts(file, columns)).rows.map(({ text, pair }) => ({ text, textPair: pair }))
  }
  if (file === undefined && process.stdin.isTTY)
    throw new UsageError('there is no text to predict: give some after the run, by --file, or on stdin')
  const lines = (file === undefined ? await readAll(process.stdin) : await readText(file)).split(/\r?\n/).filter((each) => each.trim())
  return pairs ? lines.map((each, i) => tabPair(each, i)) : lines
}

async function readText(file: string): Promise<string> {
  const { files, path } = openFile(file)
  return decodeUtf8(await files.read(path), file)
}

function tabPair(line: string, i: number): TextInput {
  const [text, textPair, ...more] = line.split('\t')
  if (textPair === undefined || more.length)
    throw new Error(`line ${i + 1}: wanted two texts with a tab between, got ${more.length + 1 + Number(textPair !== undefined)}`)
  return { text, textPair }
}
