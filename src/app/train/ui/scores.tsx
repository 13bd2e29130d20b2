import type { Guess } from '../protocol'
import { chance } from './format'

const mostShown = 8

/** The likeliest classes, in the order of the model, so that they keep their places while it learns. */
export function Scores({ id, labels, order }: { id?: string; labels: Guess['labels']; order: readonly string[] }) {
  const best = Math.max(...labels.map(({ score }) => score))
  const shown = [...labels].sort((a, b) => b.score - a.score).slice(0, mostShown)
  shown.sort((a, b) => order.indexOf(a.label) - order.indexOf(b.label))
  return (
    <dl class="guess" id={id}>
      {shown.map(({ label, score }) => (
        <div key={label} class={score === best ? 'best' : ''}>
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
  )
}
