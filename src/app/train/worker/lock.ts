const name = 'condlora run'
// A page that was left a moment ago may still hold it.
const patienceMs = 3000

/** Does the work while no other tab of this site trains or clears. @throws Error where one does */
export async function alone<T>(work: () => Promise<T>): Promise<T> {
  if (!navigator.locks) return work()
  let mine = false
  const hold = () => {
    mine = true
    return work()
  }
  return navigator.locks.request(name, { signal: AbortSignal.timeout(patienceMs) }, hold).catch((thrown) => {
    if (mine) throw thrown
    // Some places have locks that nobody may take.
    if ((thrown as DOMException).name !== 'TimeoutError') return work()
    throw new Error('Another tab of this page is training: go on there, or close it first. Two at once would write over each other.')
  }) as Promise<T>
}

/** Whether a run is on, in this tab or another. */
export async function isBusy(): Promise<boolean> {
  return alone(async () => false).catch(() => true)
}
