import { Tokenizer as Library } from '@huggingface/tokenizers'
import { type Files, type HubOptions, openSource, readJson } from '../io'
import { longestFirst, readTemplates, type Templates } from './template'
import { matchWhitespace, textFixes } from './tokenizer_fixes'

/** One tokenised text or pair, special tokens included; the three arrays are of one length. */
export interface Encoding {
  ids: number[]
  /** 0 for the first text, 1 for the second; zeros for RoBERTa. */
  typeIds: number[]
  /** Ones: padding is the collator's. */
  mask: number[]
  /** Whether tokens were cut off. */
  truncated: boolean
}

export interface EncodeOptions {
  /** Most tokens, special tokens included. Given alone it implies truncation. */
  maxLength?: number
  /** Cut to maxLength (default: the model's) by longest_first; 'stored' takes the length in tokenizer.json. */
  truncation?: boolean | 'stored'
  /** Default true. */
  addSpecialTokens?: boolean
}

type Json = Record<string, unknown>

/** Text to token ids and back, as the tokenizer.json of a model says. Its truncation and padding are not applied unasked. */
export class Tokenizer {
  /** Undefined where the tokenizer has no padding token. */
  readonly padTokenId: number | undefined
  /** Most tokens the model takes, as tokenizer_config.json says; Infinity where it does not. */
  readonly modelMaxLength: number
  readonly vocabSize: number
  private readonly library: Library
  private readonly templates: Templates
  private readonly storedMaxLength: number | undefined
  private readonly cutLeft: boolean
  private readonly cleanUp: boolean
  private readonly fix: (text: string) => string

  /**
   * @param json tokenizer.json
   * @param config tokenizer_config.json, with special_tokens_map.json's keys where those are missing
   * @param name what messages call it
   */
  constructor(
    json: Json,
    config: Json,
    readonly name: string,
  ) {
    try {
      // The library loses empty pairs and RoBERTa's zero types in its post-processing: the templates here do that part.
      this.library = new Library(
        { added_tokens: [], normalizer: null, pre_tokenizer: null, decoder: null, ...json, post_processor: null },
        config,
      )
    } catch (thrown) {
      throw new Error(`${name}: this tokenizer cannot be used: ${(thrown as Error).message}`)
    }
    matchWhitespace(this.library.pre_tokenizer)
    this.fix = textFixes(json.normalizer as Json | null | undefined)
    this.templates = readTemplates(json.post_processor as Json | null, name)
    this.vocabSize = this.library.get_vocab().size
    this.padTokenId = this.findPad(json, config)
    const { model_max_length: most, truncation_side: side, clean_up_tokenization_spaces: cleanUp } = config
    this.modelMaxLength = typeof most === 'number' && most < 1e9 ? most : Number.POSITIVE_INFINITY
    this.storedMaxLength = (json.truncation as { max_length?: number } | null | undefined)?.max_length
    this.cutLeft = side === 'left'
    this.cleanUp = cleanUp === true
  }

  /**
   * Tokenises a text, or a pair of texts.
   * @throws Error where maxLength leaves no room for the special tokens
   */
  encode(text: string, pair?: string | null, options: EncodeOptions = {}): Encoding {
    const first = this.plainIds(text)
    const second = pair === undefined || pair === null ? undefined : this.plainIds(pair)
    const withPair = second !== undefined
    const template = (withPair ? this.templates.pair : this.templates.single).filter(
      (item) => 'text' in item || options.addSpecialTokens !== false,
    )
    const maxLength = this.maxLength(options)
    const room = maxLength - template.filter((item) => 'id' in item).length
    if (room < 0)
      throw new Error(`${this.name}: maxLength ${maxLength} leaves no room for the ${maxLength - room} special tokens; take a larger one`)
    const counts = withPair ? longestFirst(first.length, second.length, maxLength, room) : [Math.min(first.length, room), 0]
    const texts = [this.cut(first, counts[0]), this.cut(second ?? [], counts[1])]
    const ids: number[] = []
    const typeIds: number[] = []
    for (const item of template) {
      const added = 'id' in item ? [item.id] : texts[item.text]
      for (const id of added) {
        ids.push(id)
        typeIds.push(item.type)
      }
    }
    const truncated = counts[0] + counts[1] < first.length + (second?.length ?? 0)
    return { ids, typeIds, mask: new Array<number>(ids.length).fill(1), truncated }
  }

  /** Tokenises texts, or [text, pair] pairs. */
  encodeBatch(texts: readonly (string | readonly [string, string])[], options: EncodeOptions = {}): Encoding[] {
    return texts.map((t) => (typeof t === 'string' ? this.encode(t, undefined, options) : this.encode(t[0], t[1], options)))
  }

  /** Ids to text. */
  decode(ids: ArrayLike<number>, options: { skipSpecialTokens?: boolean } = {}): string {
    if (!ids.length) return ''
    const found = Array.from(ids)
    const bad = found.find((id) => this.library.id_to_token(id) === undefined)
    if (bad !== undefined) throw new Error(`${this.name}: decode: there is no token ${bad} (the vocabulary has ${this.vocabSize})`)
    return this.library.decode(found, {
      skip_special_tokens: options.skipSpecialTokens ?? false,
      clean_up_tokenization_spaces: this.cleanUp,
    })
  }

  /** A token's id, or undefined. */
  tokenToId(token: string): number | undefined {
    return this.library.token_to_id(token)
  }

  private plainIds(text: string): number[] {
    if (typeof text !== 'string') throw new TypeError(`${this.name}: encode: wanted a string, got ${text === null ? 'null' : typeof text}`)
    const { ids } = this.library.encode(this.fix(text), { add_special_tokens: false })
    return (ids as (number | undefined)[]).filter((id) => id !== undefined) // a byte that the vocabulary lacks
  }

  private cut(ids: number[], count: number): number[] {
    return this.cutLeft ? ids.slice(ids.length - count) : ids.slice(0, count)
  }

  private maxLength({ maxLength, truncation = maxLength !== undefined }: EncodeOptions): number {
    if (!truncation) return Number.POSITIVE_INFINITY
    if (maxLength !== undefined && !(Number.isInteger(maxLength) && maxLength > 0))
      throw new Error(`maxLength: wanted a whole number above 0, got ${maxLength}`)
    if (truncation !== 'stored') return maxLength ?? this.modelMaxLength
    if (this.storedMaxLength === undefined)
      throw new Error(`${this.name}: truncation 'stored' was asked for, but tokenizer.json stores none`)
    return Math.min(this.storedMaxLength, maxLength ?? Number.POSITIVE_INFINITY)
  }

  private findPad(json: Json, config: Json): number | undefined {
    const named = config.pad_token
    const token = typeof named === 'string' ? named : (named as { content?: string } | null | undefined)?.content
    if (token !== undefined) return this.tokenToId(token)
    const stored = (json.padding as { pad_id?: number } | null | undefined)?.pad_id
    return stored ?? this.tokenToId('<pad>') ?? this.tokenToId('[PAD]')
  }
}

/** Loads tokenizers (transformers' name). */
export const AutoTokenizer = {
  /**
   * @param source a Hugging Face folder with tokenizer.json (tokenizer_config.json and special_tokens_map.json are read
   *   where there are any), a name on the hub, or the files themselves
   * @param options for the hub: revision, token, cacheDir, localFilesOnly, …
   * @throws Error where tokenizer.json is missing or of a kind that is not supported
   */
  async fromPretrained(source: string | Files, options: HubOptions = {}): Promise<Tokenizer> {
    const files = await openSource(source, options)
    const optional = async (path: string) => ((await files.size(path)) === undefined ? {} : readJson(files, path))
    if ((await files.size('tokenizer.json')) === undefined)
      throw new Error(
        `${files.name}: there is no tokenizer.json; in Python, AutoTokenizer.from_pretrained(…).save_pretrained(…) writes one`,
      )
    const json = await readJson(files, 'tokenizer.json', 256 << 20)
    const config = { ...(await optional('special_tokens_map.json')), ...(await optional('tokenizer_config.json')) }
    return new Tokenizer(json, config, `${files.name}/tokenizer.json`)
  },
}
