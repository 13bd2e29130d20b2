// One participant in a process of its own: opens it, then runs the rows that the parent asks for, one at a time.
import { describe } from '../src/gpu/open'
import { adapterToggles, platformGpu } from '../src/gpu/platform.node'
import { type Kind, type Participant, rowKey } from './case'
import { casesOf, type Plan, tinyCases } from './cases'
import { type Effort, measure, messageOf, type Outcome } from './measure'
import { meter, opened } from './meter'
import { participants } from './participants'

export interface Hello {
  version: string
  /** `WebAssembly` where no GPU is used. */
  adapter: string
  software: boolean
  half: boolean
  experimental: string
  /** Kinds of work that it does not do, and why. */
  cannot: { [K in Kind]?: string }
}

export interface Request {
  key: string
  plan: Plan
  effort: Pick<Effort, 'budgetMs' | 'most'>
  wrong: boolean
}

export interface Reply {
  outcome: Outcome
  /** Largest resident size of the process so far, in bytes. */
  peakBytes: number
}

const send = (message: { hello: Hello } | { failed: string } | { reply: Reply }) => process.send?.(message)

/** `navigator.gpu`, which Node lacks. */
async function provideGpu(adapter: string | undefined): Promise<void> {
  const gpu = await platformGpu(true, adapter === undefined ? [] : await adapterToggles(adapter, true))
  const navigator = globalThis.navigator ?? { userAgent: 'Node.js' }
  Object.defineProperty(navigator, 'gpu', { value: gpu })
  Object.defineProperty(globalThis, 'navigator', { value: navigator, configurable: true })
  meter()
}

async function start(name: string, adapter: string | undefined, experimental: boolean): Promise<Participant> {
  const { gpu, open } = participants[name]
  if (gpu) await provideGpu(adapter)
  const participant = await open({ software: true, adapter, experimental })
  // Some open their device with their first work.
  if (gpu) opened.adapter ||= describe((await navigator.gpu.requestAdapter()) as GPUAdapter)
  const software = !gpu || /software/.test(opened.adapter)
  const { version, half = false, experimental: says = '', cannot = {} } = participant
  send({ hello: { version, adapter: gpu ? opened.adapter : 'WebAssembly', software, half, experimental: says, cannot } })
  return participant
}

async function answer(participant: Participant, { key, plan, effort, wrong }: Request): Promise<Reply> {
  const row = [...casesOf(plan), ...tinyCases(plan)].find((r) => rowKey(r) === key)
  if (!row) throw new Error(`there is no row ${JSON.stringify(key)}`)
  const cpu = () => {
    const { user, system } = process.cpuUsage()
    return (user + system) / 1000
  }
  const outcome = await measure(row, participant, { ...effort, cpu, wrong })
  return { outcome, peakBytes: process.resourceUsage().maxRSS * 1024 }
}

const [name, adapter, experimental] = process.argv.slice(2)
// Whoever asked is gone.
process.on('disconnect', () => process.exit())
process.on('uncaughtException', (thrown) => {
  send({ failed: messageOf(thrown) })
  setTimeout(() => process.exit(1), 50)
})
const participant = await start(name, adapter || undefined, experimental !== '').catch((thrown: unknown) => {
  send({ failed: messageOf(thrown) })
  return null
})
if (participant)
  process.on('message', (request: Request) => {
    answer(participant, request).then(
      (reply) => send({ reply }),
      (thrown) => send({ failed: messageOf(thrown) }),
    )
  })
else process.disconnect()
