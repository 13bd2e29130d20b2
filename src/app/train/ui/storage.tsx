import { useSignal } from '@preact/signals'
import { clearStored } from './actions'
import { bytes } from './format'
import { Card, focusNext, TroubleBox } from './parts'
import { busy, stored } from './state'

/** What this page keeps in the browser, and a button to clear it, which asks first. */
export function StorageCard() {
  const asks = useSignal(false)
  const files = stored.value ?? []
  const total = files.reduce((sum, file) => sum + file.bytes, 0)
  const clear = () => {
    asks.value = false
    void clearStored()
    focusNext('storage-title')
  }
  return (
    <Card id="storage" title="Kept in this browser" aside={total > 0 && bytes(total)}>
      {files.length > 0 ? (
        <ul class="stored small">
          {files.map(({ name, bytes: size }) => (
            <li key={name}>
              <span>{name}</span> <span class="soft">{bytes(size)}</span>
            </li>
          ))}
        </ul>
      ) : (
        <p class="soft small">Nothing yet. Models from the hub and checkpoints of runs will lie here, on your device.</p>
      )}
      {files.length > 0 && !asks.value && (
        <button
          type="button"
          id="clear"
          disabled={busy.value}
          onClick={() => {
            asks.value = true
            focusNext('clear-yes')
          }}
        >
          Clear
        </button>
      )}
      {asks.value && (
        <div role="alert" class="actions">
          <span>Models are downloaded again when needed; an unfinished run is lost.</span>
          <button type="button" id="clear-yes" onClick={clear}>
            Clear {bytes(total)}
          </button>
          <button
            type="button"
            onClick={() => {
              asks.value = false
              focusNext('clear')
            }}
          >
            Keep
          </button>
        </div>
      )}
      <TroubleBox place="storage" />
    </Card>
  )
}
