const leftKey = 'condlora-left'

/** Whether the page was left by its visitor the last time, not killed: asked once. */
export function wasLeft(): boolean {
  try {
    const left = localStorage.getItem(leftKey) !== null
    localStorage.removeItem(leftKey)
    return left
  } catch {
    return false
  }
}

/** Writes down that the visitor leaves the page. */
export function leave(): void {
  try {
    localStorage.setItem(leftKey, '1')
  } catch {
    // A page that may keep nothing has no run to go on with either.
  }
}
