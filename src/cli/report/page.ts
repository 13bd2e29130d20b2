import { createHash } from 'node:crypto'
import style from './style.css'

export interface Page {
  title: string
  tiles: [label: string, value: string][]
  /** SVG is taken as it is. */
  charts: { title: string; svg: string }[]
  tables: { title: string; head: string[]; rows: string[][] }[]
  lists: { title: string; rows: [key: string, value: string][] }[]
}

/** Text that means nothing to a browser but itself. */
export function escaped(text: string): string {
  const names: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }
  return text.replace(/[&<>"']/g, (c) => names[c])
}

/** The whole page. Its policy lets nothing load or run but its own style sheet. */
export function html({ title, tiles, charts, tables, lists }: Page): string {
  const hash = createHash('sha256').update(style).digest('base64')
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'sha256-${hash}'; base-uri 'none'; form-action 'none'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${escaped(title)} · condlora</title>
<style>${style}</style>
</head>
<body>
<main>
<h1>${escaped(title)}</h1>
<dl class="tiles">${pairs(tiles)}</dl>
<div class="charts">
${charts.map((c) => `<figure><figcaption>${escaped(c.title)}</figcaption>${c.svg}</figure>`).join('\n')}
</div>
${tables.map(tableText).join('\n')}
${lists.map((list) => `<h2>${escaped(list.title)}</h2>\n<dl class="list">${pairs(list.rows)}</dl>`).join('\n')}
</main>
</body>
</html>
`
}

const pairs = (rows: [string, string][]) =>
  rows.map(([key, value]) => `<div><dt>${escaped(key)}</dt><dd>${escaped(value)}</dd></div>`).join('\n')

function tableText({ title, head, rows }: Page['tables'][number]): string {
  if (!rows.length) return ''
  const row = (cells: string[]) => `<tr>${cells.map((c) => `<td>${escaped(c)}</td>`).join('')}</tr>`
  const top = head.map((h) => `<th scope="col">${escaped(h)}</th>`).join('')
  return `<h2>${escaped(title)}</h2>
<div class="scroll"><table><thead><tr>${top}</tr></thead><tbody>${rows.map(row).join('\n')}</tbody></table></div>`
}
