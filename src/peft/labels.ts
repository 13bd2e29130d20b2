import { type Files, openCheckpoint, readJson } from '../io'
import type { EncoderConfig, LabelChoice } from '../models/config'

/** The classes' names beside an adapter: PEFT's files have no place for them. */
export const labelFile = 'id2label.json'

/** Writes the names of the classes, where they have any, as config.json has them. */
export async function writeLabels(files: Files, { id2label, problemType }: Pick<EncoderConfig, 'id2label' | 'problemType'>): Promise<void> {
  if (problemType === 'regression' || id2label.every((name, i) => name === `LABEL_${i}`)) return
  await files.write(labelFile, new TextEncoder().encode(`${JSON.stringify(Object.fromEntries(id2label.entries()), null, 2)}\n`))
}

/** The classes that an adapter was trained for: their names, or their number as its head has it; neither where it brings no head. */
export async function adapterLabels(files: Files): Promise<LabelChoice> {
  if ((await files.size(labelFile)) !== undefined) {
    const names = Object.entries(await readJson(files, labelFile, 1 << 24))
    const id2label = names.sort(([a], [b]) => Number(a) - Number(b)).map(([, name]) => String(name))
    if (id2label.length) return { id2label }
  }
  const head = [...(await openCheckpoint(files, 'adapter_model'))].find(([name]) => /(out_proj|classifier|score)\.weight$/.test(name))
  return head ? { numLabels: head[1].shape[0] } : {}
}
