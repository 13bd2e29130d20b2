import { type Files, openFile } from '../io'

/** How rows are written in a file; `json` is `jsonl` under the name that `datasets` gives it, `auto` goes by the ending of the name. */
export type DataFormat = 'csv' | 'tsv' | 'jsonl' | 'json' | 'parquet' | 'auto'

/** A file by its path, or inside some Files (in a page: dropped files). */
export type DataFile = string | { files: Files; path: string }

/** An existing file, with its size and what messages call it. */
export interface Source {
  files: Files
  path: string
  name: string
  size: number
  format: 'csv' | 'tsv' | 'jsonl' | 'parquet'
}

const endings: Record<string, Source['format']> = {
  csv: 'csv',
  tsv: 'tsv',
  jsonl: 'jsonl',
  ndjson: 'jsonl',
  json: 'jsonl',
  parquet: 'parquet',
}

/** @throws Error where there is no such file, or 'auto' does not know its ending */
export async function openSource(format: DataFormat, file: DataFile): Promise<Source> {
  const { files, path } = typeof file === 'string' ? openFile(file) : file
  const name = typeof file === 'string' ? file : `${files.name}/${path}`
  const size = await files.size(path)
  if (size === undefined) throw new Error(`${name}: there is no such file`)
  return { files, path, name, size, format: formatOf(format, name) }
}

function formatOf(format: DataFormat, name: string): Source['format'] {
  if (format !== 'auto') return endings[format]
  const found = endings[/\.(\w+)$/.exec(name)?.[1].toLowerCase() ?? '']
  if (found) return found
  throw new Error(
    `${name}: cannot tell the format from the name; wanted .${Object.keys(endings).join(', .')}: rename the file or name its format`,
  )
}

export function checkFormat(format: string): void {
  if (format !== 'auto' && !Object.hasOwn(endings, format))
    throw new Error(`loadDataset: format: wanted 'csv', 'tsv', 'jsonl', 'parquet', 'auto' or 'glue', got ${JSON.stringify(format)}`)
}
