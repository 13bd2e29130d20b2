// The page that runs one test file: `?file=` names it, `?worker` runs it in a worker of the page instead.
import { runHere } from '../harness'
import { record } from '../platform.node'
import type { Entry } from '../records'

const asked = new URLSearchParams(globalThis.location.search)

/** What a promise or the GPU says when all is done comes a moment later. */
const moment = () => new Promise((resolve) => setTimeout(resolve, 50))

async function run(): Promise<void> {
  const file = new URL(asked.get('file') ?? '', import.meta.url).href
  await runHere(() => import(file)).catch((thrown) =>
    record({ event: 'crashed', error: `could not be run: ${(thrown as Error)?.stack ?? thrown}` }),
  )
  await moment()
  record({ event: 'ended' })
}

function runInWorker(): void {
  const worker = new Worker(`/tests.js${globalThis.location.search}`, { type: 'module' })
  worker.onmessage = ({ data }) => record(JSON.parse(data as string) as Entry)
  worker.onerror = ({ message }) => record({ event: 'crashed', error: `the worker: ${message}` })
}

if (asked.has('worker') && 'document' in globalThis) runInWorker()
else void run()
