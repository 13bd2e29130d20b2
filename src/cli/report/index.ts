import type { RunFolder } from '../run_folder'
import { chart, type Series } from './chart'
import { html } from './page'

export interface ReportInput {
  config: object
  outcome: {
    steps: number
    trainingLoss: number
    samplesPerSecond: number
    parameters: { adapter: number; head: number }
    metrics: Record<string, number> | null
  }
}

const times = /(runtime|samplesPerSecond)$/i

/** Writes report.html: curves, metrics and settings of a run, in one file that needs nothing else. */
export async function writeReport(run: RunFolder, { config, outcome }: ReportInput): Promise<void> {
  const { about = {}, ...settings } = config as { about?: object }
  const evaluations = run.metrics.filter((m) => m.event === 'evaluate')
  const scores = [...new Set(evaluations.flatMap(Object.keys))].filter((k) => k.startsWith('eval') && k !== 'evalLoss' && !times.test(k))
  const keys = ['step', 'evalLoss', ...scores]
  const page = html({
    title: run.folder,
    tiles: tiles(outcome),
    charts: await charts(run, scores),
    tables: [
      {
        title: 'Evaluations',
        head: keys.map(nameOf),
        rows: evaluations.map((m) => keys.map((key) => numberText(m[key] as number))),
      },
    ],
    lists: [
      { title: 'Settings', rows: Object.entries(settings).map(([key, value]) => [key, valueText(value)]) },
      { title: 'Made with', rows: Object.entries(about).map(([key, value]) => [key, valueText(value)]) },
    ],
  })
  run.write('report.html', page)
}

async function charts(run: RunFolder, scores: string[]): Promise<{ title: string; svg: string }[]> {
  const last = Math.max(1, ...run.metrics.map((m) => m.step))
  const series = (name: string, event: string, key: string): Series => ({
    name,
    points: run.metrics.filter((m) => m.event === event && Number.isFinite(m[key])).map((m) => ({ step: m.step, value: m[key] as number })),
  })
  const all: [string, Series[]][] = [
    ['Loss', [series('training', 'log', 'loss'), series('validation', 'evaluate', 'evalLoss')]],
    ['Metrics on validation data', scores.map((key) => series(nameOf(key), 'evaluate', key))],
    ['Learning rate', [series('learning rate', 'log', 'learningRate')]],
    ['Gradient norm before clipping', [series('gradient norm', 'log', 'gradNorm')]],
  ]
  const drawn = await Promise.all(all.map(async ([title, lines]) => ({ title, svg: await chart(lines, last) })))
  return drawn.filter(({ svg }) => svg !== '')
}

/** `evalMatthews`: `matthews`. */
function nameOf(key: string): string {
  return key
    .replace(/^eval/, '')
    .replace(/[A-Z]/g, (c) => ` ${c.toLowerCase()}`)
    .trim()
}

function numberText(value: number): string {
  if (Number.isInteger(value) || !Number.isFinite(value)) return String(value)
  return Math.abs(value) < 0.001 ? value.toExponential(2) : value.toFixed(4)
}

function valueText(value: unknown): string {
  if (Array.isArray(value)) return value.join(', ')
  return typeof value === 'string' ? value : JSON.stringify(value)
}

function tiles({ steps, trainingLoss, samplesPerSecond, parameters, metrics }: ReportInput['outcome']): [string, string][] {
  const scores = Object.entries(metrics ?? {}).filter(([key]) => !times.test(key))
  return [
    ...scores.map(([key, value]): [string, string] => [key === 'evalLoss' ? 'validation loss' : nameOf(key), numberText(value)]),
    ['training loss', numberText(trainingLoss)],
    ['steps', steps.toLocaleString('en-US')],
    ['trained numbers', (parameters.adapter + parameters.head).toLocaleString('en-US')],
    // None where a run that was done already was gone on with.
    ...(samplesPerSecond ? [['samples a second', samplesPerSecond.toFixed(1)] as [string, string]] : []),
  ]
}
