import type { CallName } from '../protocol'
import type { Trouble } from './state'

const known: Partial<Record<CallName, Omit<Trouble, 'why'>>> = {
  model: {
    what: 'This base model cannot be used.',
    advice:
      'It must be a RoBERTa or BERT in the Hugging Face form: config.json, model.safetensors, tokenizer.json. Your other choices are kept.',
  },
  data: {
    what: 'This file cannot be read.',
    advice:
      'Nothing of it was used. Choose another file, or mend this one: CSV or TSV with a line of column names, JSON lines, or parquet.',
  },
  start: { what: 'The run ended with an error.', advice: 'Your choices are kept. Change what the message names, then start again.' },
  resume: { what: 'The run could not go on.', advice: 'Its checkpoint is kept: try again, with smaller batches if memory ran out.' },
  predict: { what: 'The sentence could not be judged.', advice: 'The run is not touched by that. Try again.' },
  download: {
    what: 'There is no file to download.',
    advice: 'The adapter is not touched by that. Try again, or let the run take a step first.',
  },
  adapter: {
    what: 'This adapter cannot be loaded.',
    advice:
      'It must have been trained on the base model chosen above: a zip file from here, or adapter_config.json and adapter_model.safetensors.',
  },
  addCompared: { what: 'This adapter cannot be compared.', advice: 'It must have been trained on the base model chosen on this page.' },
  compare: { what: 'The adapters could not all answer.', advice: 'They are kept. Try again.' },
  doctor: { what: 'The check could not be made.', advice: 'Try it again when no run is under way.' },
  unfinished: { what: 'The store of earlier runs cannot be read.', advice: 'A new run works all the same.' },
  clear: { what: 'Not everything could be cleared.', advice: 'Close other tabs of this page and try again.' },
}

const outOfMemory = /memory|allocat/i
const quota = /quota|storage|space/i
const network = /fetch|network|offline|ENOTFOUND|load failed/i

/** An error of the worker in three sentences: what, why, what to do. */
export function troubleOf(call: CallName, error: Error): Trouble {
  const { what, advice } = known[call] ?? { what: 'That did not work.', advice: 'Try again; your choices are kept.' }
  const why = error.message || error.name
  if ((call === 'start' || call === 'resume') && outOfMemory.test(why))
    return {
      what: 'The GPU has too little memory for this run.',
      why,
      advice: 'Choose smaller batches or shorter texts under “More settings”, or close other tabs that use the GPU.',
    }
  if (quota.test(why))
    return { what, why, advice: 'The browser gives this page too little room: clear stored files below, or free some disk space.' }
  if (call === 'model' && network.test(why))
    return { what, why, advice: 'Check the connection and the name; what was downloaded is kept, and the next try goes on from there.' }
  return { what, why, advice }
}
