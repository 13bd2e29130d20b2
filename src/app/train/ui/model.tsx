import { type Signal, useSignal } from '@preact/signals'
import type { BaseModel } from '../protocol'
import { chooseModel } from './actions'
import { bytes, short } from './format'
import { Card, Choice, Drop, TroubleBox } from './parts'
import { base, baseFrom, busy, chosenModel, device, downloads, modelBusy } from './state'

const sources = [
  ['embedded', 'roberta-mini'],
  ['hub', 'From the hub'],
  ['files', 'Your files'],
] as const

export function ModelCard() {
  const locked = busy.value || !device.value
  const choose = (value: BaseModel['from']) => {
    baseFrom.value = value
    if (value === 'embedded' && base.value.from !== 'embedded') void chooseModel({ from: 'embedded' })
  }
  return (
    <Card id="model" title="Base model" aside={chosenModel.value?.name}>
      <Choice
        legend="Where the base model comes from"
        name="base"
        value={baseFrom.value}
        options={sources}
        disabled={locked}
        choose={choose}
      />
      {baseFrom.value === 'embedded' && <p class="soft small">A small RoBERTa that comes with this page and was pretrained on emails.</p>}
      {baseFrom.value === 'hub' && <Hub locked={locked} />}
      {baseFrom.value === 'files' && (
        <Drop
          id="model-files"
          label="Choose files"
          hint="or drop a folder here: config.json, model.safetensors, tokenizer.json. They stay on your device."
          multiple
          folder
          disabled={locked}
          take={(files, name) => void chooseModel({ from: 'files', name, files })}
        />
      )}
      <ModelState />
      <TroubleBox place="model" />
    </Card>
  )
}

function Hub({ locked }: { locked: boolean }) {
  const id = useSignal('FacebookAI/roberta-base')
  const more = { revision: useSignal(''), token: useSignal(''), endpoint: useSignal('') }
  const load = (event: Event) => {
    event.preventDefault()
    const given = Object.entries(more).flatMap(([key, { value }]) => (value.trim() ? [[key, value.trim()]] : []))
    void chooseModel({ from: 'hub', id: id.value.trim(), ...Object.fromEntries(given) })
  }
  return (
    <form class="grid hub" onSubmit={load}>
      <label>
        Name on the Hugging Face hub
        <input
          id="hub-id"
          required
          pattern="\s*[\w.\-]+(/[\w.\-]+)?\s*"
          autocomplete="off"
          spellcheck={false}
          value={id.value}
          disabled={locked}
          onInput={(event) => {
            id.value = event.currentTarget.value
          }}
        />
      </label>
      <div class="actions end">
        <button type="submit" id="hub-load" disabled={locked || modelBusy.value}>
          Load
        </button>
      </div>
      <p class="soft small wide">A RoBERTa or BERT. It is downloaded once, resumed where it broke off, and kept in this browser.</p>
      <details class="wide">
        <summary>Revision, token, mirror</summary>
        <div class="grid">
          <TextField id="hub-revision" label="Revision" placeholder="main" text={more.revision} locked={locked} />
          <TextField id="hub-endpoint" label="Mirror" placeholder="https://…" text={more.endpoint} locked={locked} />
          <TextField id="hub-token" label="Token, for private models" secret text={more.token} locked={locked} />
        </div>
        <p class="soft small">The token goes to the hub with the requests for this model and is not kept.</p>
      </details>
    </form>
  )
}

function TextField(props: { id: string; label: string; text: Signal<string>; placeholder?: string; secret?: boolean; locked: boolean }) {
  const { id, placeholder, text, locked } = props
  const onInput = ({ currentTarget }: { currentTarget: HTMLInputElement }) => {
    text.value = currentTarget.value
  }
  const all = { id, placeholder, onInput, value: text.value, disabled: locked, autocomplete: 'off', spellcheck: false } as const
  return (
    <label for={id}>
      {props.label}
      {props.secret ? <input type="password" {...all} /> : <input {...all} />}
    </label>
  )
}

function ModelState() {
  const under = [...downloads.value].filter(([, { done, total }]) => done < total)
  if (modelBusy.value)
    return (
      <div id="model-state">
        {under.map(([file, { done, total }]) => (
          <label key={file} class="download small">
            <span>{file}</span>
            <span class="soft">
              {bytes(done)} of {bytes(total)}
            </span>
            <progress value={done} max={total} />
          </label>
        ))}
        {!under.length && <p class="soft small">Reading the model …</p>}
      </div>
    )
  const info = chosenModel.value
  if (!info) return null
  return (
    <p id="model-state" class="facts">
      <span>{info.architecture.replace(/(For\w+|Model)$/, '')}</span>
      <span>
        {info.layers} layers × {info.hiddenSize}
      </span>
      <span>{short(info.parameters)} numbers</span>
      <span>{bytes(info.bytes)}</span>
    </p>
  )
}
