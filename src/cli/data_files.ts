import { existsSync, statSync } from 'node:fs'
import { extname } from 'node:path'
import type { DataFile, DataFormat } from '../data'
import { type Files, openSource } from '../io'
import { UsageError } from './failure'
import type { Settings } from './flags'

const formats: Record<string, DataFormat> = {
  '.csv': 'csv',
  '.tsv': 'tsv',
  '.jsonl': 'jsonl',
  '.ndjson': 'jsonl',
  '.parquet': 'parquet',
}

/** The files of a split; more than one where parquet comes in parts. */
export type SplitFiles = { train?: DataFile[]; validation?: DataFile[] }

/** The files that the settings name. */
export async function dataFiles({ data, train, validation }: Settings): Promise<SplitFiles> {
  if (data !== undefined) return inFolder(await openData(data))
  return { ...(train === undefined ? {} : { train: [train] }), ...(validation === undefined ? {} : { validation: [validation] }) }
}

/** A folder, or a data set on the hub. */
export async function openData(data: string, notice?: (text: string) => void): Promise<Files> {
  if (existsSync(data) && !statSync(data).isDirectory())
    throw new UsageError(`--data: wanted a folder, got the file ${data}; a file is given by --train`)
  return openSource(data, { repoType: 'dataset', notice })
}

export const fileName = (file: DataFile) => (typeof file === 'string' ? file : `${file.files.name}/${file.path}`)

export function formatOf(file: DataFile): DataFormat {
  const format = formats[extname(fileName(file)).toLowerCase()]
  if (format) return format
  const wanted = [...new Set(Object.values(formats))].join(', ')
  throw new UsageError(`--format: wanted one of ${wanted}, as the name of ${fileName(file)} does not tell`)
}

/** `train.csv`, or as data sets on the hub have it: `data/train-00000-of-00002.parquet`. */
const splitFile = /^(?:data\/)?(train|validation|dev)(?:-\d+-of-\d+)?(\.\w+)$/

async function inFolder(files: Files): Promise<SplitFiles> {
  const listed = await files.list()
  const find = (...names: string[]) => {
    const found = listed.filter((path) => {
      const [, name, ending] = splitFile.exec(path) ?? []
      return names.includes(name) && formats[ending] !== undefined
    })
    const whole = found.filter((path) => !/-of-\d+\.\w+$/.test(path))
    if (whole.length > 1 || (whole.length && whole.length < found.length))
      throw new UsageError(`--data: ${files.name} holds ${found.join(' and ')}; name one by --train or --validation`)
    return found.sort().map((path) => ({ files, path }))
  }
  const [train, validation] = [find('train'), find('validation', 'dev')]
  if (!train.length) {
    const holds = listed.length > 8 ? [...listed.slice(0, 8), '…'] : listed
    throw new Error(
      `${files.name}: there is no train.csv, train.tsv, train.jsonl or train.parquet; it holds ${holds.join(', ') || 'nothing'}`,
    )
  }
  return validation.length ? { train, validation } : { train }
}
