import type { Settings } from '../protocol'
import { chooseRate } from './actions'
import { adapterNumbers, methods } from './defaults'
import { count } from './format'
import { Card } from './parts'
import { Sketch } from './sketch'
import { busy, change, model, settings } from './state'

export function MethodCard() {
  const chosen = settings.value
  const info = model.value ?? { layers: 4, hiddenSize: 128 }
  return (
    <Card id="method" title="Method">
      <fieldset class="methods" disabled={busy.value}>
        <legend class="hidden">What learns</legend>
        {methods.map(({ method, name, says }) => (
          <label key={method}>
            <input type="radio" name="method" value={method} checked={chosen.method === method} onChange={() => change({ method })} />
            <Sketch method={method} layers={Math.min(6, info.layers)} />
            <span class="words">
              <strong>{name}</strong>
              <span class="soft small">{says}</span>
            </span>
            <span class="numbers small" data-numbers={method}>
              {method === 'head' ? 'no adapter' : count(adapterNumbers(method, chosen.r, info))}
            </span>
          </label>
        ))}
      </fieldset>
      <p class="soft small">At the right: how many numbers the adapter has. The classifier on top learns in all three.</p>
      <fieldset class="plain" disabled={busy.value}>
        <legend class="hidden">Settings</legend>
        <div class="grid thirds">
          <NumberField name="r" label="Rank" min={1} max={256} disabled={chosen.method === 'head'} />
          <NumberField name="numTrainEpochs" label="Epochs" min={0.01} max={1000} step="any" />
          <NumberField name="perDeviceTrainBatchSize" label="Batch size" min={1} max={1024} />
        </div>
        <details>
          <summary>More settings</summary>
          <div class="grid thirds">
            <NumberField name="learningRate" label="Learning rate" min={0} max={1} step="any" set={chooseRate} />
            <NumberField name="loraAlpha" label="Alpha" min={0.01} max={4096} step="any" disabled={chosen.method === 'head'} />
            <NumberField name="maxLength" label="Most tokens" min={4} max={8192} />
            <NumberField name="seed" label="Seed" min={0} max={4294967295} />
            <NumberField name="earlyStoppingPatience" label="Patience" min={0} max={1000} about="patience-about" />
          </div>
          <p class="soft small" id="patience-about">
            Patience: how many evaluations without gain before the run stops early. The best adapter is restored; 0 never stops.
          </p>
        </details>
      </fieldset>
    </Card>
  )
}

type Numeric = { [K in keyof Settings]-?: Settings[K] extends number ? K : never }[keyof Settings]

function NumberField(props: {
  name: Numeric
  label: string
  min: number
  max: number
  step?: number | 'any'
  disabled?: boolean
  about?: string
  set?: (value: number) => void
}) {
  const { name, set = (value) => change({ [name]: value }) } = props
  return (
    <label>
      {props.label}
      <input
        type="number"
        id={`set-${name}`}
        form="run-form"
        required
        inputMode="decimal"
        min={props.min}
        max={props.max}
        step={props.step ?? 1}
        disabled={props.disabled}
        aria-describedby={props.about}
        value={settings.value[name]}
        onInput={(event) => {
          const value = event.currentTarget.valueAsNumber
          if (Number.isFinite(value)) set(value)
        }}
      />
    </label>
  )
}
