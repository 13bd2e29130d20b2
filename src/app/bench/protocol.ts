import type { Kind } from '../../../bench/case'
import type { Plan } from '../../../bench/cases'
import type { Effort, Outcome } from '../../../bench/measure'
import type { DoctorJson } from '../../doctor'

/** What the page asks of a participant's worker. */
export type Ask =
  | { ask: 'open'; name: string }
  | { ask: 'row'; key: string; plan: Plan; effort: Pick<Effort, 'budgetMs' | 'most'> }
  | { ask: 'doctor' }

export interface Opened {
  version: string
  adapter: string
  software: boolean
  cannot: { [K in Kind]?: string }
}

/** What it answers, one for each ask. */
export type Answer = { opened: Opened } | { outcome: Outcome } | { doctor: { json: DoctorJson; text: string } } | { failed: string }
