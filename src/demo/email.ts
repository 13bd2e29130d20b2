import { decodeHTML } from 'entities'

// Python's white space (str.strip and \s): JavaScript's differs by U+FEFF, U+0085 and U+001C to U+001F.
const space = '[\\p{White_Space}\\x1c-\\x1f]'
const ends = new RegExp(`^${space}+|${space}+$`, 'gu')
const noise = new RegExp(`^(?:--|Content-|[A-Za-z0-9+/=]{60,}$|${space}*charset=)`, 'u')

const strip = (text: string) => text.replace(ends, '')

/**
 * The text of an email as roberta-mini saw it in pretraining: subject, then the body without headers, MIME boundaries,
 * HTML and encodings. Letter by letter what models/roberta-mini's Python program made.
 */
export function emailText(raw: string): string {
  const cut = raw.indexOf('\n\n')
  const head = cut < 0 ? raw : raw.slice(0, cut)
  const subject = /(?:^|\n)Subject:([^\n]*)/.exec(head)
  const body = cut < 0 ? '' : raw.slice(cut + 2)
  const text = decodeHTML(body.replace(/<(script|style).*?<\/\1>/gisu, ' ').replace(/<[^>]{0,2000}>/gsu, ' '))
    .replace(/=\n/g, '')
    .replace(/=([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
  const lines = text.split('\n').filter((line) => !noise.test(line))
  return strip(`${subject ? `${strip(subject[1])}\n` : ''}${lines.join('\n')}`.replace(/[ \t]+/g, ' '))
}
