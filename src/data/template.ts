/** Where special tokens stand around one text or two: each item is a special token's id or a text (0 = first, 1 = pair). */
export type Template = ({ id: number; type: number } | { text: 0 | 1; type: number })[]

export interface Templates {
  single: Template
  pair: Template
}

type Json = Record<string, unknown>

/**
 * Reads `post_processor` of a tokenizer.json (RobertaProcessing, BertProcessing, TemplateProcessing, or a Sequence with
 * one of them). RoBERTa's token types are all zero: its table has one row.
 */
export function readTemplates(processor: Json | null | undefined, where: string): Templates {
  if (!processor || processor.type === 'ByteLevel')
    return {
      single: [{ text: 0, type: 0 }],
      pair: [
        { text: 0, type: 0 },
        { text: 1, type: 1 },
      ],
    }
  if (processor.type === 'Sequence') {
    const parts = ((processor.processors ?? []) as Json[]).filter((p) => p.type !== 'ByteLevel')
    if (parts.length > 1)
      throw new Error(`${where}: post_processor: wanted one kind of special tokens, got ${parts.map((p) => p.type).join(', ')}`)
    return readTemplates(parts[0], where)
  }
  if (processor.type === 'TemplateProcessing') return { single: items(processor, 'single', where), pair: items(processor, 'pair', where) }
  if (processor.type === 'RobertaProcessing' || processor.type === 'BertProcessing') {
    const [cls, sep] = [processor.cls, processor.sep].map((t) => (t as [string, number] | undefined)?.[1])
    if (cls === undefined || sep === undefined) throw new Error(`${where}: post_processor: ${processor.type} without cls and sep`)
    const roberta = processor.type === 'RobertaProcessing'
    const single: Template = [
      { id: cls, type: 0 },
      { text: 0, type: 0 },
      { id: sep, type: 0 },
    ]
    const type = roberta ? 0 : 1
    return { single, pair: [...single, ...(roberta ? [{ id: sep, type }] : []), { text: 1, type }, { id: sep, type }] }
  }
  throw new Error(`${where}: post_processor: ${JSON.stringify(processor.type)} is not supported`)
}

function items(processor: Json, key: 'single' | 'pair', where: string): Template {
  const known = (processor.special_tokens ?? {}) as Record<string, { ids?: number[] }>
  const list = processor[key] as {
    SpecialToken?: { id: string; type_id: number }
    Sequence?: { id: 'A' | 'B'; type_id: number }
  }[]
  return list.flatMap(({ SpecialToken: token, Sequence: text }): Template => {
    if (text) return [{ text: text.id === 'A' ? 0 : 1, type: text.type_id }]
    const ids = token && Object.hasOwn(known, token.id) ? known[token.id].ids : undefined
    if (!token || !ids) throw new Error(`${where}: post_processor, ${key}: the special token ${JSON.stringify(token?.id)} has no ids`)
    return ids.map((id) => ({ id, type: token.type_id }))
  })
}

/**
 * How many tokens of two texts stay, as the reference library's longest_first counts: a short text stays whole while the
 * other is cut; two long ones share the room, an odd token goes to the longer one, to the second of two equals. The
 * library cuts each text to maxLength before it compares them.
 * @param room maxLength less the special tokens
 */
export function longestFirst(first: number, second: number, maxLength: number, room: number): [number, number] {
  if (first + second <= room) return [first, second]
  const [a, b] = [Math.min(first, maxLength), Math.min(second, maxLength)]
  const keepShort = Math.min(a, b, Math.floor(room / 2))
  return a > b ? [room - keepShort, keepShort] : [keepShort, room - keepShort]
}
