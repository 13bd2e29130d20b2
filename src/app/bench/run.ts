import { version } from 'condlora:build'
import { type Case, ours } from '../../../bench/case'
import { casesOf, type Plan } from '../../../bench/cases'
import type { Outcome } from '../../../bench/measure'
import { type Report, reportRow } from '../../../bench/report'
import { Player } from './player'

export const participants = [ours, 'jax-js', 'tfjs']

const shown = [
  'square 256',
  'square 512',
  'square 1024',
  'square 2048',
  'forward 12×768² r 8',
  'backward 12×768² r 8',
  'layernorm 512×384',
  'layernorm 2048×768',
  '8×12×(64×32)',
  '4×12×(128×64)',
  'roberta-mini 16×64 LoRA',
  'roberta-mini 16×64 CondLoRA',
  '6×384 8×64 LoRA',
]

const titles: Record<string, string> = {
  matmul: 'matrix product',
  conversion: 'CondLoRA’s conversion',
  'pointwise and rows': '',
  attention: 'attention',
  train: 'training step,',
}

/** What the page can measure; most of the rows of `npm run bench` are too much for a visitor. */
export const pageRows = casesOf({ software: false, quick: false, half: false }).filter(
  (row) => shown.includes(row.name) && row.group in titles,
)
export const titleOf = ({ group, name }: Pick<Case, 'group' | 'name'>) => `${titles[group] ?? group} ${name}`.trim()

export interface Progress {
  report: Report
  doctor: { ok: boolean; text: string } | null
  /** What is being measured. */
  now: string
  done: number
  of: number
}

/** Measures rows one after the other, all participants on each; `tell` hears of every step. Rejects at once when stopped. */
export async function runRows(rows: Case[], signal: AbortSignal, tell: (progress: Progress) => void): Promise<void> {
  const players = participants.map((name) => new Player(name, signal))
  const progress: Progress = { report: emptyReport(), doctor: null, now: '', done: 0, of: rows.length }
  const say = (now: string) => tell({ ...progress, report: { ...progress.report, rows: [...progress.report.rows] }, now })
  try {
    for (const player of players) {
      say(`opening ${player.name}`)
      await player.open()
    }
    const [own] = players
    if (own.trouble) throw new Error(own.trouble)
    const { report } = progress
    report.adapter = own.opened?.adapter ?? ''
    report.adapters = Object.fromEntries(players.map((p) => [p.name, p.opened?.adapter ?? '']))
    for (const { name, opened } of players) if (opened) report.versions[name] = opened.version
    const plan: Plan = { software: own.opened?.software ?? false, quick: false, half: false }
    say('checking the kernels')
    progress.doctor = await own.doctor()
    for (const row of rows) {
      const outcomes: Record<string, Outcome> = {}
      for (const player of players) {
        say(`${titleOf(row)}: ${player.name}`)
        outcomes[player.name] = await player.play(row, plan)
      }
      report.rows.push(reportRow(row, outcomes))
      progress.done++
    }
    say('')
  } finally {
    for (const player of players) player.end()
  }
}

function emptyReport(): Report {
  const { userAgent, hardwareConcurrency } = navigator
  const machine = { system: userAgent, processors: `${hardwareConcurrency}`, load: 0 }
  return { adapter: '', versions: { condlora: version }, machine, adapters: {}, quick: false, rows: [] }
}
