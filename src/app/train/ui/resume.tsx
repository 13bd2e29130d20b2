import { discard, resume } from './actions'
import { methodName } from './defaults'
import { ago, count } from './format'
import { busy, unfinished } from './state'

/** Offers to go on with a run of an earlier visit. */
export function ResumeOffer() {
  const run = unfinished.value
  if (!run || busy.value) return null
  const { settings, smallerBatch } = run
  return (
    <section class="card offer" id="offer" aria-labelledby="offer-title">
      <h2 id="offer-title">A run is not finished</h2>
      <p>
        {methodName(settings.method)} on {run.base} with {run.data}: step {count(run.step)} of {count(run.totalSteps)}, saved{' '}
        {ago(run.savedAt)}.
      </p>
      {smallerBatch !== undefined && (
        <p>
          It ended without a word, as where memory runs out. Batches of {smallerBatch} instead of {settings.perDeviceTrainBatchSize} need
          less.
        </p>
      )}
      <div class="actions">
        {smallerBatch !== undefined && (
          <button type="button" class="main" id="resume-smaller" onClick={() => void resume(smallerBatch)}>
            Go on with batches of {smallerBatch}
          </button>
        )}
        <button type="button" class={smallerBatch === undefined ? 'main' : ''} id="resume" onClick={() => void resume()}>
          {smallerBatch === undefined ? 'Go on' : `Go on with ${settings.perDeviceTrainBatchSize}`}
        </button>
        <button type="button" id="discard" onClick={() => void discard()}>
          Forget it
        </button>
      </div>
    </section>
  )
}
