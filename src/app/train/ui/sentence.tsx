import { useRef } from 'preact/hooks'
import { ask } from './ask'
import { examples } from './defaults'
import { count } from './format'
import { Card, TroubleBox } from './parts'
import { Scores } from './scores'
import { adapter, begun, busy, canAsk, guess, secondSentence, sentence, settings, source } from './state'

/** A sentence of the visitor's own, judged again and again while the model learns. */
export function SentenceCard() {
  const later = useRef(0)
  const typed = () => {
    clearTimeout(later.current)
    later.current = window.setTimeout(() => void ask(), 350)
  }
  const submit = (event: Event) => {
    event.preventDefault()
    void ask(true)
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
          <button type="submit" id="predict" disabled={!canAsk.value}>
            Ask the model
          </button>
          {source.value.from === 'sample' && <Examples />}
        </div>
      </form>
      {guess.value ? (
        <Scores id="guess" labels={guess.value.labels} order={begun.value?.labels ?? adapter.value?.labels ?? []} />
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
            void ask(true)
          }}
        >
          {names[i]}
        </button>
      ))}
    </span>
  )
}
