import { download, loadAdapter } from './actions'
import { methodName } from './defaults'
import { Card, Drop, TroubleBox } from './parts'
import { adapter, begun, busy, canTry, model } from './state'

export function AdapterCard() {
  return (
    <Card
      id="adapter-card"
      title="Adapter"
      aside={adapter.value && `${methodName(adapter.value.method)}: ${adapter.value.labels.join(', ')}`}
    >
      <div class="actions">
        <button type="button" id="download" disabled={!canTry.value || (!begun.value && !adapter.value)} onClick={() => void download()}>
          Download the adapter
        </button>
        <span class="soft small">a PEFT folder in a zip file, classifier included</span>
      </div>
      <Drop
        id="adapter-files"
        label="Load an adapter"
        hint="or drop its zip file here, or its files: adapter_config.json and adapter_model.safetensors."
        accept=".zip,.json,.safetensors"
        multiple
        disabled={busy.value || !model.value}
        take={(files) => void loadAdapter(files.map(({ file }) => file))}
      />
      <TroubleBox place="adapter" />
    </Card>
  )
}
