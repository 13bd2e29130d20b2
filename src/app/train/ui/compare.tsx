import { addCompared, removeCompared } from './ask'
import { methodName } from './defaults'
import { decimals } from './format'
import { Card, Drop, focusNext, TroubleBox } from './parts'
import { Scores } from './scores'
import { answers, canTry, compared, model } from './state'

/** Several adapters on one base, each with its answer to the sentence. */
export function CompareCard() {
  const all = compared.value
  return (
    <Card id="compare" title="Compare adapters" aside={all.length > 1 && `${all.length} on one base model`}>
      <p class="soft small">
        {all.length
          ? 'Each answers the sentence above. The base model lies on the GPU once: from one adapter to the next, nothing of it moves.'
          : 'Put adapters side by side on one base model: each will answer the sentence above.'}
      </p>
      {all.length > 0 && (
        <ul class="compared">
          {all.map((each) => (
            <Contender key={each.name} {...each} />
          ))}
        </ul>
      )}
      <div class="actions">
        <button type="button" id="compare-current" disabled={!canTry.value} onClick={() => void addCompared()}>
          Add it as it is now
        </button>
        <span class="soft small">the adapter that learns, or has learnt, on this page</span>
      </div>
      <Drop
        id="compare-files"
        label="Add an adapter"
        hint="or drop its zip file here, or its files: it must be of the base model chosen on this page."
        accept=".zip,.json,.safetensors"
        multiple
        disabled={!model.value}
        take={(files) => void addCompared(files.map(({ file }) => file))}
      />
      <TroubleBox place="compare" />
    </Card>
  )
}

function Contender({ name, method, labels }: (typeof compared.value)[number]) {
  const answer = answers.value.get(name)
  return (
    <li aria-label={name}>
      <header>
        <h3>{name}</h3>
        <button
          type="button"
          aria-label={`Remove ${name}`}
          title="Remove"
          onClick={() => void removeCompared(name).then(() => focusNext('compare-title'))}
        >
          ✕
        </button>
      </header>
      {answer && <Scores labels={answer.labels} order={labels} />}
      <p class="soft small">
        {methodName(method)}
        {answer && (
          <>
            : switched and answered in <span class="ms">{decimals(answer.ms)} ms</span>
          </>
        )}
      </p>
    </li>
  )
}
