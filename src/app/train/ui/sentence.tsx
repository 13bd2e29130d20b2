import { useRef } from 'preact/hooks'
import { predict } from './actions'
import { examples } from './defaults'
import { chance, count } from './format'
import { Card, TroubleBox } from './parts'
import { adapter, begun, busy, canTry, guess, secondSentence, sentence, settings, source } from './state'

/** A sentence of the visitor's own, judged again and again while the model learns. */
export function SentenceCard() {
  const later = useRef(0)
  const typed = () => {
    clearTimeout(later.current)
    later.current = window.setTimeout(() => void predict(), 350)
  }
  const submit = (event: Event) => {
    event.preventDefault()
    void predict(true)
  }
  return (
    <Card
      id="try"
      title="Try a sentence"
      aside={guess.value && (adapter.value ? 'with the loaded adapter' : `as of step ${count(guess.value.step)}`)}
    >
      <form onSubmit={submit}>
        <label>
          <span>{settings.value.textPair ? 'First text' : 'Your sentence'}</span>
          <textarea
            id="sentence"
            rows={3}
            value={sentence.value}
            onInput={(event) => {
              sentence.value = event.currentTarget.value
              typed()
            }}
          />
        </label>
        {settings.value.textPair && (
          <label>
            <span>Second text</span>
            <textarea
              id="sentence-pair"
              rows={2}
              value={secondSentence.value}
              onInput={(event) => {
                secondSentence.value = event.currentTarget.value
                typed()
              }}
            />
          </label>
        )}
        <div class="actions">
          <button type="submit" id="predict" disabled={!canTry.value}>
            Ask the model
          </button>
          {source.value.from === 'sample' && <Examples />}
        </div>
      </form>
      {guess.value ? (
        <dl class="guess" id="guess">
          {shownLabels().map(({ label, score }) => (
            <div key={label} class={score === best() ? 'best' : ''}>
              <dt>{label}</dt>
              <dd>
                <span class="track" aria-hidden="true" data-score={score}>
                  <span style={{ width: `${100 * score}%` }} />
                </span>
                <span class="share">{chance(score)}</span>
              </dd>
            </div>
          ))}
        </dl>
      ) : (
        <p class="soft small">
          {begun.value || busy.value
            ? 'The model answers as soon as it can.'
            : 'Start a run, or load an adapter: the answers change while the model learns.'}
        </p>
      )}
      <TroubleBox place="sentence" />
    </Card>
  )
}

const mostShown = 8

/** The likeliest classes, in the order of the model, so that they keep their places while it learns. */
function shownLabels() {
  const order = begun.value?.labels ?? adapter.value?.labels ?? []
  const all = [...(guess.value?.labels ?? [])].sort((a, b) => b.score - a.score).slice(0, mostShown)
  return all.sort((a, b) => order.indexOf(a.label) - order.indexOf(b.label))
}

const best = () => Math.max(...(guess.value?.labels ?? []).map(({ score }) => score))

function Examples() {
  const names = ['prize', 'patch', 'pills']
  return (
    <span class="examples small">
      <span class="soft">Examples:</span>
      {examples.map((text, i) => (
        <button
          key={text}
          type="button"
          class="chip"
          aria-pressed={sentence.value === text}
          onClick={() => {
            sentence.value = text
            void predict(true)
          }}
        >
          {names[i]}
        </button>
      ))}
    </span>
  )
}
