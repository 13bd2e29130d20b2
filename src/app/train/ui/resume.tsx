import { discard, resume } from './actions'
import { methodName } from './defaults'
import { ago, count } from './format'
import { focusNext, TroubleBox } from './parts'
import { busy, device, unfinished } from './state'

/** Offers to go on with a run: of an earlier visit, or one that was stopped. */
export function ResumeOffer() {
  const run = unfinished.value
  if (!run || busy.value || !device.value) return null
  const { settings, smallerBatch, finished } = run
  const goOn = (rows?: number) => {
    void resume(rows)
    focusNext('pause')
  }
  return (
    <section class="card offer" id="offer" aria-labelledby="offer-title">
      <h2 id="offer-title">{finished ? 'The last run is still here' : 'A run is not finished'}</h2>
      <p>
        {methodName(settings.method)} on {run.base} with {run.data}: step {count(run.step)} of {count(run.totalSteps)}, saved{' '}
        {ago(run.savedAt)}.
      </p>
      {smallerBatch !== undefined && (
        <p>
          It was cut off, as where memory runs out. In parts of {smallerBatch} instead of {settings.perDeviceTrainBatchSize} rows it needs
          less, and learns the same.
        </p>
      )}
      <div class="actions">
        {smallerBatch !== undefined && (
          <button type="button" class="main" id="resume-smaller" onClick={() => goOn(smallerBatch)}>
            Go on in parts of {smallerBatch}
          </button>
        )}
        <button type="button" class={smallerBatch === undefined ? 'main' : ''} id="resume" onClick={() => goOn()}>
          {finished ? 'Bring it back' : smallerBatch === undefined ? 'Go on' : 'Go on as it was'}
        </button>
        <button type="button" id="discard" onClick={() => void discard().then(() => focusNext('discard', 'start', 'run-title'))}>
          Forget it
        </button>
      </div>
      <TroubleBox place="offer" />
    </section>
  )
}
