import { batch } from '@preact/signals'
import type { CallName, Calls, Event } from '../protocol'
import { type CallError, Client } from './client'
import * as state from './state'
import { troubleOf } from './trouble'

/** The worker, once `begin` has started it. */
export let client: Client

/** Starts the worker; `hear` gets its events. */
export function connect(make: () => Worker, hear: (event: Event) => void): void {
  client = new Client(make, hear, (why) => {
    state.died.value = why
  })
}

/** One call whose failure is shown at `place`. */
export async function tried<N extends CallName>(
  place: state.Place,
  call: N,
  args: Calls[N]['args'],
  then: (result: Calls[N]['result']) => void,
): Promise<boolean> {
  state.clearTrouble(place)
  try {
    const result = await client.call(call, args)
    batch(() => then(result))
    return true
  } catch (thrown) {
    // That the worker is gone is said once, for the whole page.
    if ((thrown as CallError).name !== 'WorkerGone')
      state.troubles.value = { ...state.troubles.value, [place]: troubleOf(call, thrown as Error) }
    return false
  }
}

/** Read out by screen readers. */
export function say(text: string): void {
  state.announcement.value = text
}
