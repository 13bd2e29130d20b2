import { pause, proceed, start, stop } from './actions'
import { methodName } from './defaults'
import { bytes, count, decimals, duration, percent, short } from './format'
import { Card, TroubleBox } from './parts'
import {
  announcement,
  begun,
  busy,
  canStart,
  chosenData,
  chosenModel,
  dataBusy,
  device,
  lastOf,
  modelBusy,
  notices,
  outcome,
  phase,
  points,
  resumed,
  running,
  saved,
  secondsLeft,
  smoothed,
  smoothedOver,
  step,
} from './state'

export function RunCard() {
  const paused = running.value === 'paused'
  return (
    <Card id="run" title="Run" aside={saved.value !== null && busy.value && `saved at step ${saved.value}`}>
      <form
        id="run-form"
        class="actions"
        onSubmit={(event) => {
          event.preventDefault()
          void start()
        }}
      >
        {busy.value ? (
          <button
            type="button"
            class="main"
            id="pause"
            disabled={running.value === 'stopping'}
            onClick={() => void (paused ? proceed() : pause())}
          >
            {paused ? 'Go on' : 'Pause'}
          </button>
        ) : (
          <button type="submit" class="main" id="start" disabled={!canStart.value}>
            {outcome.value ? 'Train anew' : 'Start training'}
          </button>
        )}
        <button type="button" id="stop" disabled={!busy.value || running.value === 'stopping'} onClick={() => void stop()}>
          Stop
        </button>
        <span id="status">{statusText()}</span>
      </form>
      {resumed.value && (
        <p class="soft small" id="resumed">
          The run that went on: {methodName(resumed.value.settings.method)} on {resumed.value.base} with {resumed.value.data}.
        </p>
      )}
      <p class="hidden" role="status" id="announcement">
        {announcement.value}
      </p>
      {(busy.value || outcome.value) && <Bar />}
      <OutcomeLine />
      <TroubleBox place="run" />
      {(begun.value || busy.value) && <Tiles />}
      {notices.value.length > 0 && (
        <ul class="notices small soft" aria-label="Notices">
          {notices.value.map((text) => (
            <li key={text}>{text}</li>
          ))}
        </ul>
      )}
    </Card>
  )
}

function Bar() {
  const total = begun.value?.totalSteps
  return <progress class="run" aria-label="Steps done" {...(total ? { value: step.value, max: total } : {})} />
}

function statusText(): string {
  if (busy.value) return runningText()
  if (!device.value) return 'Looking for a GPU …'
  if (modelBusy.value) return 'Reading the model …'
  if (dataBusy.value) return 'Reading the rows …'
  if (!chosenModel.value) return 'Choose a base model.'
  if (!chosenData.value) return 'Choose data.'
  return outcome.value ? '' : 'Ready.'
}

function runningText(): string {
  const now = phase.value
  const at = begun.value ? `step ${count(step.value)} of ${count(begun.value.totalSteps)}` : ''
  if (running.value === 'stopping') return 'Stopping after this step …'
  if (running.value === 'paused') return `Paused at ${at || 'the beginning'}`
  if (!now || !begun.value) return now?.phase === 'compiling' ? `Compiling kernels${share(now)} …` : 'Preparing …'
  const words = { compiling: 'Compiling kernels', training: 'Training', evaluating: 'Evaluating', paused: 'Paused', saving: 'Saving' }
  return `${words[now.phase]}${now.phase === 'evaluating' || now.phase === 'compiling' ? share(now) : ''} · ${at}`
}

const share = ({ done, total }: { done: number; total: number }) => (total > 0 ? ` ${done}/${total}` : '')

function OutcomeLine() {
  const end = outcome.value
  if (!end) return null
  const how = {
    done: 'Done.',
    'early stop': 'Stopped early: it no longer got better.',
    stopped: 'Stopped. What it learnt is kept.',
  }[end.why]
  const best =
    end.bestStep !== undefined && end.bestStep < end.step ? ` The best adapter, of step ${count(end.bestStep)}, is restored.` : ''
  return (
    <p id="outcome" class="outcome">
      <strong>{how}</strong> {count(end.step)} steps in {duration(end.seconds)}
      {end.evalAccuracy === undefined ? '' : `, accuracy ${percent(end.evalAccuracy)} on rows that it did not learn from`}.{best}
    </p>
  )
}

function Tiles() {
  const { trained, all, memory, text } = begun.value ?? {}
  // Of the adapter that is there: the best one, where it was restored.
  const accuracy = outcome.value?.evalAccuracy ?? lastOf('evalAccuracy')
  const loss = smoothed(points.value).findLast((value) => value !== undefined)
  const speed = lastOf('samplesPerSecond')
  const epoch = points.value.at(-1)?.epoch
  const end = outcome.value
  const seconds = end?.seconds ?? secondsLeft.value ?? undefined
  return (
    <dl class="tiles">
      <Tile name="Accuracy" value={accuracy === undefined ? undefined : percent(accuracy)} under="on rows held out" strong />
      <Tile
        name="Training loss"
        value={loss === undefined ? undefined : decimals(loss)}
        under={`mean of ${smoothedOver} readings`}
        strong
      />
      <Tile
        name="Trained numbers"
        value={trained && count(trained)}
        under={trained && all ? `${percent(trained / all)} of ${short(all)}` : ''}
        title={text}
      />
      <Tile name="Samples/s" value={speed === undefined ? undefined : decimals(speed)} />
      <Tile
        name={end ? 'Time' : 'Time left'}
        value={seconds === undefined ? undefined : duration(seconds)}
        under={epoch === undefined ? '' : `epoch ${epoch.toFixed(2)}`}
      />
      <Tile name="GPU memory" value={memory && bytes(memory)} />
    </dl>
  )
}

function Tile(props: { name: string; value?: string | number; under?: string; title?: string; strong?: boolean }) {
  return (
    <div class={props.strong ? 'strong' : ''} title={props.title}>
      <dt>{props.name}</dt>
      <dd>{props.value || '–'}</dd>
      {props.under && <dd class="soft small">{props.under}</dd>}
    </div>
  )
}
