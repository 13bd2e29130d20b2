import { mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  type AdaptedLayer,
  adaptedLayers,
  type Conversion,
  compareAdapters,
  conversionMatrices,
  type Grid,
  type LayerSimilarity,
  type Part,
  parts,
  randomGrid,
  type Side,
  similarityGrid,
} from '../analysis'
import type { Device } from '../gpu'
import { openCheckedDevice } from './device'
import { UsageError } from './failure'
import { type Common, deviceFlags } from './flags'
import { findSource, loadTrained } from './load'
import { showCount } from './progress'
import { heatmap } from './report/heatmap'
import { html, type Page } from './report/page'
import { print, speaker } from './say'
import { pick } from './settings'

export interface AnalyzeOptions extends Common {
  i?: number
  j?: number
  side?: Side
  seed?: number
  output?: string
  [key: string]: unknown
}

interface Shown extends Grid {
  kind: string
  part: Part
  layers: number[]
  random: Grid
}

const titles: Record<Part, string> = { A: 'W0⁻¹Aᵀ', B: 'W0⁻¹B', BA: 'W0⁻¹BA' }

/** `condlora analyze conversion` */
export async function analyzeConversion(run: string, options: AnalyzeOptions): Promise<void> {
  const { side = 'left', seed = 42 } = options
  const say = speaker(options)
  const layers = await withDevice(options, say, (device) => layersOf(device, run))
  const rank = Math.min(...layers.map(({ A }) => A.rows))
  const i = atMost(rank, options.i ?? rank, '-i')
  const j = atMost(rank, options.j ?? i, '-j')
  const conversions = conversionMatrices(layers, options.quiet ? undefined : showCount('W0⁻¹', layers.length, say))
  const grids = conversions.flatMap(({ kind, layers: numbers, spaces }) =>
    parts.map((part): Shown => {
      const grid = similarityGrid(spaces[part], i, j, side)
      return { kind, part, layers: numbers, ...grid, random: randomGrid(spaces[part], i, j, side, seed) }
    }),
  )
  const folder = options.output ?? join(run, 'analysis')
  const result = { run, i, j, side, seed, grids }
  write(folder, 'conversion.json', `${JSON.stringify(result, null, 1)}\n`)
  write(folder, 'conversion.html', html(await conversionPage(run, { i, j, side, seed }, conversions, grids)))
  const rows = grids.map(({ kind, part, average, random }) => [`${kind} ${titles[part]}`, average.toFixed(4), random.average.toFixed(4)])
  const report = join(folder, 'conversion.html')
  print(options.json ? JSON.stringify(result) : `${table(['mean φ over pairs of layers', 'trained', 'random'], rows)}\nreport   ${report}`)
}

/** `condlora analyze similarity` */
export async function analyzeSimilarity(run: string, other: string, options: AnalyzeOptions): Promise<void> {
  const { seed = 42 } = options
  const say = speaker(options)
  const [one, two] = await withDevice(options, say, async (device) => [await layersOf(device, run), await layersOf(device, other)])
  const least = Math.min(...[...one, ...two].map(({ A }) => A.rows))
  const rank = atMost(least, options.i ?? least, '-i')
  const rows = compareAdapters(one, two, { rank, seed })
  const folder = options.output ?? join(run, 'analysis')
  const result = { run, other, rank, seed, layers: rows, mean: mean(rows) }
  const shown = cells(rows, result.mean)
  write(folder, 'similarity.json', `${JSON.stringify(result, null, 1)}\n`)
  write(folder, 'similarity.html', html(similarityPage(run, other, rank, shown)))
  print(options.json ? JSON.stringify(result) : `${table(head, shown)}\nreport   ${join(folder, 'similarity.html')}`)
}

async function withDevice<T>(options: AnalyzeOptions, say: (line: string) => void, work: (device: Device) => Promise<T>): Promise<T> {
  const device = await openCheckedDevice(pick(deviceFlags, options), say)
  try {
    return await work(device)
  } finally {
    device.destroy()
  }
}

async function layersOf(device: Device, run: string): Promise<AdaptedLayer[]> {
  const { settings, adapterFolder } = await findSource({ run })
  const { model } = await loadTrained(device, settings, adapterFolder)
  return adaptedLayers(model)
}

function atMost(rank: number, wanted: number, flag: string): number {
  if (wanted > rank) throw new UsageError(`${flag}: wanted at most ${rank}, the rank of the adapter, got ${wanted}`)
  return wanted
}

/** Whole or not at all. */
function write(folder: string, name: string, content: string): void {
  const path = join(folder, name)
  try {
    mkdirSync(folder, { recursive: true })
    writeFileSync(`${path}.tmp`, content)
    renameSync(`${path}.tmp`, path)
  } catch (thrown) {
    throw new Error(`${path}: cannot be written: ${(thrown as Error).message}`)
  }
}

type Choice = { i: number; j: number; side: Side; seed: number }

async function conversionPage(run: string, { i, j, side, seed }: Choice, conversions: Conversion[], grids: Shown[]): Promise<Page> {
  const charts = grids.map(async ({ kind, part, layers, phi, average, random }) => ({
    title: `${kind}, ${titles[part]}: average similarity ${average.toFixed(4)}, random ${random.average.toFixed(4)}`,
    svg: await heatmap(phi, layers),
  }))
  const notes: [string, string][] = conversions
    .filter((c) => c.leastSquares)
    .map((c) => [c.kind, 'weights are not square: W0⁻¹ is the pseudo-inverse (least squares)'])
  if (side === 'right')
    notes.push(['A and B', 'all right singular vectors of a matrix with i columns span the same space: φ says nothing where i is the rank'])
  return {
    title: `Conversion matrices of ${run}`,
    tiles: [
      ['singular vectors', `${side}, i = ${i}, j = ${j}`],
      ['seed of the random matrices', String(seed)],
    ],
    charts: await Promise.all(charts),
    tables: [],
    lists: notes.length ? [{ title: 'Notes', rows: notes }] : [],
  }
}

function similarityPage(run: string, other: string, rank: number, rows: string[][]): Page {
  return {
    title: `${run} and ${other}`,
    tiles: [['singular vectors', `i = j = ${rank}; right ones of A, left ones of B and ΔW`]],
    charts: [],
    tables: [{ title: 'Similarity φ of the trained matrices, and of the first with a random subspace', head, rows }],
    lists: [],
  }
}

const head = ['layer', 'A', 'B', 'ΔW', 'random A', 'random B', 'random ΔW']

const numbersOf = ({ A, B, BA, random }: LayerSimilarity) => [A, B, BA, random.A, random.B, random.BA]

function mean(rows: LayerSimilarity[]): Record<string, number> {
  const numbers = rows.map(numbersOf)
  const names = ['A', 'B', 'BA', 'randomA', 'randomB', 'randomBA']
  return Object.fromEntries(names.map((name, at) => [name, numbers.reduce((sum, row) => sum + row[at], 0) / rows.length]))
}

function cells(rows: LayerSimilarity[], means: Record<string, number>): string[][] {
  const text = (values: number[]) => values.map((v) => v.toFixed(4))
  return [...rows.map((row) => [`${row.kind} ${row.layer}`, ...text(numbersOf(row))]), ['mean', ...text(Object.values(means))]]
}

function table(first: string[], rows: string[][]): string {
  const all = [first, ...rows]
  const widths = first.map((_, at) => Math.max(...all.map((row) => row[at].length)))
  return all.map((row) => row.map((cell, at) => (at ? cell.padStart(widths[at]) : cell.padEnd(widths[at]))).join('  ')).join('\n')
}
