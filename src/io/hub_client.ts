import { env, followsRedirects, hubPackage } from './hub_platform.node'
import { BrokenOff, HubError, type HubOptions, isPassing, type Pace, type Repository } from './hub_types'

/** Requests to the hub about one repository: retried in bounded time, the token kept to the endpoint's host. */
export class HubClient {
  readonly #token: string | undefined

  constructor(
    readonly endpoint: string,
    token: string | undefined,
    readonly repo: Repository,
    readonly pace: Pace,
  ) {
    this.#token = token
  }

  /** Where people read about the repository and ask for access. */
  get page(): string {
    return `${this.endpoint}/${this.repo.type === 'dataset' ? 'datasets/' : ''}${this.repo.id}`
  }

  fileUrl(commit: string, path: string): string {
    return `${this.page}/resolve/${commit}/${path.split('/').map(encodeURIComponent).join('/')}`
  }

  /**
   * A GET whose answer is good (2xx).
   * @param what names the file in errors
   * @throws HubError
   */
  async get(url: string, headers: Record<string, string> = {}, what = ''): Promise<Response> {
    for (let attempt = 1; ; attempt++) {
      const answer = await this.#once(url, headers).catch((thrown) => notReached(this.endpoint, thrown))
      if (answer instanceof Response && answer.ok) return answer
      const wait = waitBefore(answer, attempt, this.pace)
      const error = answer instanceof Response ? this.#explain(answer, attempt, wait, what) : answer
      if (answer instanceof Response) await answer.body?.cancel()
      if (!error.passing || attempt >= this.pace.attempts || wait > this.pace.mostWaitMs) throw error
      await sleep(wait)
    }
  }

  /** A GET with its body, of at most `most` bytes; asked again where the body breaks off. */
  async bytes(
    url: string,
    headers: Record<string, string>,
    most: number,
    what = '',
  ): Promise<{ response: Response; bytes: Uint8Array<ArrayBuffer> }> {
    for (let attempt = 1; ; attempt++) {
      const response = await this.get(url, headers, what)
      try {
        return { response, bytes: await readAll(response, most, this.pace.silenceMs) }
      } catch (thrown) {
        if (!(thrown instanceof BrokenOff) || attempt >= this.pace.attempts) throw thrown
      }
      await sleep(waitBefore(undefined, attempt, this.pace))
    }
  }

  /** The `fetch` that the hub's package is given: without its headers, with a bound on what is read. */
  readonly api = async (url: RequestInfo | URL): Promise<Response> => {
    const { response, bytes } = await this.bytes(String(url), { Accept: 'application/json' }, 64 << 20)
    const link = response.headers.get('Link')
    return new Response(bytes, { headers: { 'Content-Type': 'application/json', ...(link ? { Link: link } : {}) } })
  }

  /** Redirects by hand: the token goes to no other host. A page cannot, but browsers drop the header themselves. */
  async #once(start: string, headers: Record<string, string>): Promise<Response> {
    let url = new URL(start)
    const { origin } = new URL(this.endpoint)
    for (let hop = 0; hop < 10; hop++) {
      const own = this.#token !== undefined && url.origin === origin
      const response = await answerWithin(this.pace.silenceMs, (signal) =>
        fetch(url, {
          headers: own ? { ...headers, Authorization: `Bearer ${this.#token}` } : headers,
          redirect: followsRedirects ? 'follow' : 'manual',
          signal,
        }),
      )
      const location = response.headers.get('Location')
      if (response.status < 300 || response.status > 399 || location === null) return response
      await response.body?.cancel()
      url = new URL(location, url)
      if (!/^https?:$/.test(url.protocol)) throw new HubError(`${this.endpoint} redirects to ${url.protocol}, which is not followed`, 400)
    }
    throw new HubError(`${this.endpoint} redirects more than 10 times`, 400)
  }

  #explain(response: Response, attempts: number, wait: number, what: string): HubError {
    const { status } = response
    const { id, type, revision } = this.repo
    const code = response.headers.get('X-Error-Code')
    const error = (text: string) => new HubError(text, status)
    const given = this.#token !== undefined
    if (code === 'GatedRepo' || status === 403)
      return error(
        `the ${type} ${id} may not be read${given ? ' with the token that was given' : ' without a token'}: it is gated or private. Ask for access at ${this.page}, then give a token of that account (option token, or HF_TOKEN)`,
      )
    if (status === 401)
      return error(
        given
          ? `the hub refuses the token that was given (option token, or HF_TOKEN) for the ${type} ${id}: make a new one, or see ${this.page}`
          : `the hub has no ${type} ${id}, or it is private or gated: check the name, or ask for access at ${this.page} and give a token (option token, or HF_TOKEN)`,
      )
    if (code === 'RevisionNotFound') return error(`the ${type} ${id} has no revision ${JSON.stringify(revision)} (see ${this.page})`)
    if (status === 404 && what) return error(`the hub has no file ${what} (see ${this.page})`)
    if (status === 404) return error(`the hub has no ${type} ${id} (${this.page}); check the name`)
    if (status === 429)
      return error(
        `the hub gets too many requests (429) and asks to wait ${Math.ceil(wait / 1000)} s: try again then; with a token (HF_TOKEN) it allows more`,
      )
    const times = isPassing(status) ? ` ${attempts} times` : ''
    return error(`${what || `the ${type} ${id}`}: the hub (${this.endpoint}) answered with status ${status}${times}`)
  }
}

/** Endpoint and token from options and environment. */
export async function openClient(repo: Repository, options: HubOptions, pace: Pace): Promise<HubClient> {
  const source = options.endpoint === undefined ? 'HF_ENDPOINT' : 'endpoint'
  const wanted = options.endpoint ?? env.HF_ENDPOINT
  const endpoint = wanted ? checkEndpoint(wanted, source) : (await hubPackage()).HUB_URL
  const token = options.token === false ? undefined : (options.token ?? env.HF_TOKEN)?.trim() || undefined
  // Checked here because fetch would print it.
  if (token !== undefined && !/^[\x21-\x7e]+$/.test(token))
    throw new TypeError('the hub token (option token, or HF_TOKEN) holds a character that no token has: copy it again')
  return new HubClient(endpoint, token, repo, pace)
}

function checkEndpoint(endpoint: string, source: string): string {
  const url = URL.canParse(endpoint) ? new URL(endpoint) : undefined
  if (!url || !/^https?:$/.test(url.protocol) || url.username || url.password || url.search || url.hash)
    throw new TypeError(`${source}: wanted an address such as http://host:port without user, password or query`)
  return endpoint.replace(/\/+$/, '')
}

function notReached(endpoint: string, thrown: unknown): HubError {
  if (thrown instanceof HubError) return thrown
  return new HubError(
    `the hub (${endpoint}) cannot be reached: ${reasonOf(thrown)}. Check the network and HF_ENDPOINT; localFilesOnly or HF_HUB_OFFLINE=1 takes what is in the cache`,
  )
}

/** fetch says little; what it hides says more. */
function reasonOf(thrown: unknown): string {
  const { message, cause } = thrown as Error & { cause?: { code?: string; message?: string } }
  return cause?.message || cause?.code || message
}

/** What the server asks for (seconds or a date), else a doubling time. */
function waitBefore(answer: unknown, attempt: number, pace: Pace): number {
  const asked = answer instanceof Response ? answer.headers.get('Retry-After') : null
  const ms = asked === null ? Number.NaN : /^\d+$/.test(asked) ? Number(asked) * 1000 : Date.parse(asked) - Date.now()
  return Number.isFinite(ms) ? Math.max(0, ms) : Math.min(pace.mostWaitMs, pace.firstWaitMs * 2 ** (attempt - 1))
}

export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

const silent = (ms: number) => new Error(`no answer for ${ms / 1000} s`)

async function answerWithin(ms: number, ask: (signal: AbortSignal) => Promise<Response>): Promise<Response> {
  const stop = new AbortController()
  const timer = setTimeout(() => stop.abort(silent(ms)), ms)
  try {
    return await ask(stop.signal)
  } finally {
    clearTimeout(timer)
  }
}

/** The body in pieces; BrokenOff where it breaks, or stops for `silenceMs`. Leaving the loop closes the connection. */
export async function* pieces(response: Response, silenceMs: number): AsyncGenerator<Uint8Array> {
  const reader = response.body?.getReader()
  if (!reader) return
  try {
    for (;;) {
      let timer: ReturnType<typeof setTimeout> | undefined
      const late = new Promise<never>((_, reject) => (timer = setTimeout(() => reject(silent(silenceMs)), silenceMs)))
      const { done, value } = await Promise.race([reader.read(), late])
        .catch((thrown) => {
          throw new BrokenOff(reasonOf(thrown))
        })
        .finally(() => clearTimeout(timer))
      if (done) return
      yield value
    }
  } finally {
    await reader.cancel().catch(() => {})
  }
}

/** The whole body. */
async function readAll(response: Response, most: number, silenceMs: number): Promise<Uint8Array<ArrayBuffer>> {
  const parts: Uint8Array[] = []
  let size = 0
  for await (const piece of pieces(response, silenceMs)) {
    size += piece.length
    if (size > most) throw new HubError(`${response.url}: the hub's answer has more than ${most} bytes`, 400)
    parts.push(piece)
  }
  const all = new Uint8Array(size)
  let at = 0
  for (const part of parts) {
    all.set(part, at)
    at += part.length
  }
  return all
}
