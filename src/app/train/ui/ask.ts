import { say, tried } from './calls'
import { chance } from './format'
import * as state from './state'

/** While one call is under way the next one waits; of several, the latest alone. */
function latest<A extends unknown[]>(work: (...args: A) => Promise<unknown>): (...args: A) => Promise<void> {
  let next: A | null = null
  let at = false
  return async (...args) => {
    next = args
    if (at) return
    at = true
    while (next) {
      const mine: A = next
      next = null
      await work(...mine)
    }
    at = false
  }
}

const asked = () => {
  const [text, pair] = [state.sentence.value, state.secondSentence.value]
  return { text, textPair: state.settings.value.textPair ? pair : undefined }
}

/** What the model says of the visitor's sentence now. */
export const predict = latest(async (aloud = false) => {
  if (!state.canTry.value || !state.sentence.value.trim()) return
  await tried('sentence', 'predict', asked(), (guess) => {
    state.guess.value = guess
    const best = guess.labels.reduce((a, b) => (b.score > a.score ? b : a))
    if (aloud) say(`${best.label}, ${chance(best.score)}.`)
  })
})

/** What each of the adapters that are compared says of it. */
export const compare = latest(async (aloud = false) => {
  if (!state.compared.value.length || !state.sentence.value.trim()) return
  await tried('compare', 'compare', asked(), (answers) => {
    state.answers.value = new Map(answers.map((answer) => [answer.name, answer]))
    if (aloud && !state.canTry.value) say(`${answers.map(({ name, labels }) => `${name}: ${labels[0].label}`).join('; ')}.`)
  })
})

export async function ask(aloud = false): Promise<void> {
  await Promise.all([predict(aloud), compare(aloud)])
}

/** One more to compare: an adapter's files, or the one of this page as it is now. */
export const addCompared = (files?: readonly File[]) =>
  tried('compare', 'addCompared', { files }, (all) => {
    state.compared.value = all
    say(`${all.at(-1)?.name} is there to compare.`)
    void compare()
  })

export const removeCompared = (name: string) =>
  tried('compare', 'removeCompared', { name }, (all) => {
    state.compared.value = all
    say(`${name} is gone.`)
  })
