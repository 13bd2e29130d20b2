/** Where the tokenizer library's results differ from the reference library's and a small step makes them equal. */

const byteLevel =
  /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\p{White_Space}\p{L}\p{N}]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+/gu

/** JavaScript's \s has U+FEFF and lacks U+0085; the reference's is Unicode's White_Space. */
export function matchWhitespace(preTokenizer: unknown): void {
  const part = preTokenizer as { use_regex?: boolean; pattern?: RegExp; tokenizers?: unknown[] } | null
  if (!part) return
  if (part.use_regex !== undefined && part.pattern) part.pattern = byteLevel
  for (const inner of part.tokenizers ?? []) matchWhitespace(inner)
}

interface Normalizer {
  type?: string
  lowercase?: boolean
  handle_chinese_chars?: boolean
  normalizers?: Normalizer[]
}

// The reference's ranges beyond the first plane, without U+2B820 to U+2B91F, which it leaves out.
const farChinese = /[\u{20000}-\u{2A6DF}\u{2A700}-\u{2B81F}\u{2B920}-\u{2CEAF}\u{2F800}-\u{2FA1F}]/gu

/** What is done to a text before the library sees it, for the `normalizer` of a tokenizer.json. */
export function textFixes(normalizer: Normalizer | null | undefined): (text: string) => string {
  const parts = normalizer?.type === 'Sequence' ? (normalizer.normalizers ?? []) : normalizer ? [normalizer] : []
  const bert = parts.find((n) => n.type === 'BertNormalizer')
  const chinese = bert !== undefined && bert.handle_chinese_chars !== false
  const lower = parts.some((n) => n.type === 'Lowercase') || (bert !== undefined && bert.lowercase !== false)
  return (text) => {
    // Half a surrogate pair is no text.
    let fixed = text.replace(/\p{Surrogate}/gu, '\uFFFD')
    // The library sees UTF-16 units and so misses Chinese characters that take two.
    if (chinese) fixed = fixed.replace(farChinese, ' $& ')
    // JavaScript lowers a Σ that ends a word to ς, the reference every Σ to σ.
    if (lower) fixed = fixed.replaceAll('Σ', 'σ')
    return fixed
  }
}
