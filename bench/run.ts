// `npm run bench -- [--quick] [--json FILE] [--only GROUP,…] [--rows TEXT] [--rivals a,b | none] [--adapter NAME] [--limit SECONDS] [--with FILE] [--experimental]`

import { version, webgpuVersion } from 'condlora:build'
import { renameSync, writeFileSync } from 'node:fs'
import { cpus, loadavg, release } from 'node:os'
import { parseArgs } from 'node:util'
import { type Beside, besides, introduce, readBeside } from './beside'
import { type Case, ours } from './case'
import { casesOf, type Plan, tinyCases } from './cases'
import { halfGroup } from './cases/matmul'
import type { Outcome } from './measure'
import { rivalNames } from './participants'
import { Player } from './player'
import { derivedRows, type Report, type Row, replayRatio, reportRow } from './report'
import { printGroup, printHead } from './tables'

const usage = `npm run bench -- [options]
  --quick           a few rows of each kind, under three minutes on two cores
  --json FILE       write the rows as JSON too
  --only GROUPS     only these groups of rows, separated by commas
  --rows TEXT       of these only the rows whose name contains this
  --rivals NAMES    only these rivals, or none: ${rivalNames.join(', ')}
  --adapter NAME    the adapter whose name contains this
  --with FILE       show beside ours what bench/pytorch.py --json FILE measured
  --limit SECONDS   leave out rows whose first call is predicted to take longer (20; --quick: 3)
  --experimental    ours may take the GPU's matrix units, once they were found right
  --wrong           spoil every result: shows that wrong ones are found`

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    json: { type: 'string' },
    only: { type: 'string' },
    rows: { type: 'string', default: '' },
    rivals: { type: 'string' },
    adapter: { type: 'string' },
    with: { type: 'string' },
    limit: { type: 'string' },
    experimental: { type: 'boolean', default: false },
    wrong: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})

function rivalsWanted(): string[] {
  if (values.rivals === undefined) return rivalNames
  const names = values.rivals === 'none' ? [] : values.rivals.split(',')
  const unknown = names.find((name) => !rivalNames.includes(name))
  if (unknown !== undefined) throw new Error(`--rivals: there is no ${JSON.stringify(unknown)}; there are ${rivalNames.join(', ')}`)
  return names
}

function rowsWanted(plan: Plan): Case[] {
  const rows = inGroups(plan).filter((row) => row.name.includes(values.rows))
  if (!rows.length) throw new Error(`--rows: no row's name contains ${JSON.stringify(values.rows)}`)
  return rows
}

function inGroups(plan: Plan): Case[] {
  const all = casesOf(plan)
  if (values.only === undefined) return all
  const groups = values.only.split(',')
  const rows = [...all, ...tinyCases(plan)]
  const known = [...new Set(rows.map((row) => row.group))]
  const unknown = groups.find((group) => !known.includes(group))
  if (unknown !== undefined) {
    const why = unknown === halfGroup ? ' here: it wants a device with shader-f16' : ''
    throw new Error(`--only: there is no group ${JSON.stringify(unknown)}${why}; there are ${known.join(', ')}`)
  }
  return rows.filter((row) => groups.includes(row.group))
}

async function main(): Promise<void> {
  if (values.help) return console.log(usage)
  const { quick } = values
  const limit = Number(values.limit ?? (quick ? 3 : 20))
  if (!(limit > 0)) throw new Error(`--limit: wanted seconds, got ${JSON.stringify(values.limit)}`)
  const effort = quick ? { budgetMs: 300, most: 3 } : { budgetMs: 2000, most: 9 }
  const beside = values.with === undefined ? null : readBeside(values.with)
  const start = Date.now()
  const { adapter, wrong } = values
  const players = [ours, ...rivalsWanted()].map(
    (name) => new Player(name, { adapter, wrong, limit, effort, experimental: values.experimental && name === ours }),
  )
  try {
    await play(players, beside, start)
  } finally {
    for (const player of players) player.end()
  }
}

async function play(players: Player[], beside: Beside | null, start: number): Promise<void> {
  const { quick } = values
  for (const player of players) await player.begin()
  const [own, ...others] = players
  if (own.trouble) throw new Error(own.trouble)
  const plan: Plan = { software: own.software, quick, half: own.half }
  const report: Report = {
    adapter: own.adapter,
    versions: {
      condlora: version,
      node: process.versions.node,
      webgpu: webgpuVersion,
      ...Object.fromEntries(others.map((p) => [p.name, p.version])),
    },
    machine: {
      system: `${process.platform} ${release()}`,
      processors: `${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}`,
      load: loadavg()[0],
    },
    adapters: Object.fromEntries(players.map((p) => [p.name, p.adapter])),
    ...(values.experimental ? { experimental: own.experimental } : {}),
    quick,
    rows: [],
  }
  if (beside) introduce(beside, report)
  const write = () => {
    if (values.json !== undefined) writeJson(values.json, { ...report, seconds: (Date.now() - start) / 1000 })
  }
  printHead(report)
  for (const player of players) await player.calibrate(plan)
  const rows = rowsWanted(plan)
  for (const group of new Set(rows.map((row) => row.group))) {
    const first = report.rows.length
    for (const row of rows.filter((r) => r.group === group)) {
      tellProgress(`${group}: ${row.name}`)
      const found = await playRow(row, players, plan)
      report.rows.push(...(beside ? found.map((r) => besides(r, beside)) : found))
      // After each row: who stops a long run keeps what it has found.
      write()
    }
    tellProgress('')
    report.rows.push(...replayRatio(report.rows.slice(first)))
    write()
    const found = report.rows.slice(first)
    for (const part of new Set(found.map((row) => row.group)))
      printGroup(
        found.filter((row) => row.group === part),
        report,
      )
  }
  const seconds = ((Date.now() - start) / 1000).toFixed(0)
  console.log(`load average ${report.machine.load.toFixed(2)} at start, ${loadavg()[0].toFixed(2)} at end; ${seconds} s`)
}

/** All participants take their turn on a row. */
async function playRow(row: Case, players: Player[], plan: Plan): Promise<Row[]> {
  const outcomes: Record<string, Outcome> = {}
  for (const player of row.ownOnly ? players.slice(0, 1) : players) outcomes[player.name] = await player.play(row, plan)
  const alone = (name: string) => players.find((p) => p.name === name)?.alone.get(row.name)
  return [reportRow(row, outcomes), ...(row.alone ? derivedRows(row, outcomes, alone) : [])]
}

/** On a terminal: what is being measured. */
function tellProgress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`)
}

function writeJson(file: string, report: object): void {
  const temporary = `${file}.${process.pid}.tmp`
  writeFileSync(temporary, `${JSON.stringify(report, null, 1)}\n`)
  renameSync(temporary, file)
}

await main().catch((thrown: Error) => {
  console.error(`bench: ${thrown.message}`)
  process.exitCode = 1
})
