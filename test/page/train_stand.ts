// The training page's worker, spoken to from an empty page as the page itself does. What tests need of a machine that fails
// is done to WebGPU and the storage around the worker, which has nothing for tests in it.
import { join } from 'node:path'
import type { BrowserContext, Page } from 'playwright-core'
import type { CallName, Calls, Event } from '../../src/app/train/protocol'
import { launchChromium } from './chromium'
import { serve } from './server'

declare const TEST_ROOT: string

/** What happens to the worker's surroundings. */
export interface Trouble {
  /** Destroys the device. */
  destroy?: true
  /** GPU memory has no room for a buffer of more bytes. */
  cap?: number
  /** The storage takes nothing more. */
  full?: boolean
  /** Workers have no WebGPU. */
  missing?: true
}

/** A file that the page makes of a text, of numbers, or of its URL. */
export interface Given {
  name: string
  text?: string
  base64?: string
}

export interface Stand {
  page: Page
  call<N extends CallName>(name: N, args: Calls[N]['args']): Promise<Calls[N]['result']>
  /** A call whose arguments hold files: `$0` and so on in their JSON stand for them. */
  callWith<N extends CallName>(name: N, args: string, files: Given[]): Promise<Calls[N]['result']>
  /** Waits until an event of this kind has come since `from`; gives all since then. */
  until(wanted: (event: Event) => boolean, from?: number): Promise<Event[]>
  events(): Promise<Event[]>
  trouble(what: Trouble): Promise<void>
  /** The page anew, with a new worker. */
  reload(): Promise<void>
}

const around = (origin: string) => `
let device, cap = Infinity, full = false, failed = false
const { requestDevice } = GPUAdapter.prototype
GPUAdapter.prototype.requestDevice = async function (...args) { return (device = await requestDevice.apply(this, args)) }
const { createBuffer } = GPUDevice.prototype
GPUDevice.prototype.createBuffer = function (d) { failed ||= d.size > cap; return createBuffer.call(this, d) }
const { popErrorScope } = GPUDevice.prototype
GPUDevice.prototype.popErrorScope = async function () {
  const mine = failed
  failed = false
  const found = await popErrorScope.call(this)
  return mine ? new GPUOutOfMemoryError('the GPU has no room') : found
}
// However fast the GPU: tests must get a word in between two steps.
const { onSubmittedWorkDone } = GPUQueue.prototype
GPUQueue.prototype.onSubmittedWorkDone = async function () {
  await onSubmittedWorkDone.call(this)
  await new Promise((resolve) => setTimeout(resolve, 30))
}
const { createWritable } = FileSystemFileHandle.prototype
FileSystemFileHandle.prototype.createWritable = async function (...args) {
  if (full) throw new DOMException('the disk is full', 'QuotaExceededError')
  return createWritable.apply(this, args)
}
new BroadcastChannel('trouble').onmessage = ({ data }) => {
  if (data.destroy) device.destroy()
  if (data.cap !== undefined) cap = data.cap
  if (data.full !== undefined) full = data.full
  if (data.missing) Object.defineProperty(WorkerNavigator.prototype, 'gpu', { get: () => undefined })
  postMessage({ heard: true })
}
await import('${origin}/worker.js')
postMessage({ heard: true })
`

interface Talk {
  events: Event[]
  call(name: string, args: unknown): Promise<unknown>
  trouble(what: unknown): Promise<void>
}

/** Runs in the page. */
async function openTalk(code: string): Promise<void> {
  const worker = new Worker(URL.createObjectURL(new Blob([code], { type: 'text/javascript' })), { type: 'module' })
  const waiting = new Map<number, { resolve: (result: unknown) => void; reject: (error: Error) => void }>()
  const events: Event[] = []
  let done = () => {}
  const loaded = new Promise<void>((resolve, reject) => {
    done = resolve
    worker.onerror = (event) => reject(new Error(event.message || 'the worker could not be loaded'))
  })
  worker.onmessage = ({ data }) => {
    if (data.heard) return done()
    if ('event' in data) return void events.push(data)
    const { id, result, failed } = data
    if (failed) waiting.get(id)?.reject(Object.assign(new Error(failed.message), { name: failed.name }))
    else waiting.get(id)?.resolve(result)
    waiting.delete(id)
  }
  await loaded
  const channel = new BroadcastChannel('trouble')
  let ids = 0
  const talk: Talk = {
    events,
    call: (call, args) =>
      new Promise((resolve, reject) => {
        const id = ids++
        waiting.set(id, { resolve, reject })
        worker.postMessage({ id, call, args })
      }),
    trouble: (what) =>
      new Promise((resolve) => {
        done = resolve
        channel.postMessage(what)
      }),
  }
  Object.assign(globalThis, { talk })
}

declare const talk: Talk

/** A worker in an empty page of the built folder's origin. */
export async function openStand(context: BrowserContext, url: string): Promise<Stand> {
  const page = await context.newPage()
  const load = async () => {
    await page.goto(`${url}/blank/blank.html`)
    await page.evaluate(openTalk, around(url))
  }
  await load()
  const events = () => page.evaluate(() => talk.events)
  return {
    page,
    events,
    reload: load,
    call: <N extends CallName>(name: N, args: Calls[N]['args']) =>
      page.evaluate(([call, given]) => talk.call(call as string, given), [name, args] as const) as Promise<Calls[N]['result']>,
    callWith: <N extends CallName>(name: N, args: string, files: Given[]) =>
      page.evaluate(
        ([call, json, given]) => {
          const made = given.map(({ name: file, text, base64 }) =>
            base64 === undefined ? new File([text ?? ''], file) : new File([Uint8Array.from(atob(base64), (c) => c.charCodeAt(0))], file),
          )
          const revive = (_: string, value: unknown) =>
            typeof value === 'string' && /^\$\d+$/.test(value) ? made[Number(value.slice(1))] : value
          return talk.call(call, JSON.parse(json, revive))
        },
        [name, args, files] as const,
      ) as Promise<Calls[N]['result']>,
    until: async (wanted, from = 0) => {
      for (;;) {
        const since = (await events()).slice(from)
        const at = since.findIndex(wanted)
        if (at >= 0) return since.slice(0, at + 1)
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
    },
    trouble: (what) => page.evaluate((w) => talk.trouble(w), what),
  }
}

/** The built pages in a browser of their own. */
export async function withStand(body: (stand: Stand, context: BrowserContext, url: string) => Promise<void>): Promise<void> {
  const server = await serve({ '/': join(TEST_ROOT, 'dist/test-pages'), '/blank/': join(TEST_ROOT, 'dist/test-browser') })
  const browser = await launchChromium()
  try {
    const context = await browser.newContext()
    await body(await openStand(context, server.url), context, server.url)
  } finally {
    await browser.close()
    await server.close()
  }
}

/** The files of the adapter that the worker gives, as base64 of the zip. */
export async function downloaded({ page }: Stand): Promise<{ name: string; bytes: Uint8Array }> {
  const { name, base64 } = await page.evaluate(async () => {
    const { name, zip } = (await talk.call('download', {})) as Calls['download']['result']
    const bytes = new Uint8Array(await zip.arrayBuffer())
    let binary = ''
    for (const byte of bytes) binary += String.fromCharCode(byte)
    return { name, base64: btoa(binary) }
  })
  return { name, bytes: new Uint8Array(Buffer.from(base64, 'base64')) }
}
