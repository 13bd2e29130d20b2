import type { Device } from '../gpu'
import { adapterOf, versions } from '../gpu/identity'
import { type DoctorOptions, doctor, type KernelResult } from './doctor'
import { allSubjects, presentSubjects } from './subjects'

/** How much `doctorReport` checks and what it says besides. */
export interface DoctorReportOptions {
  /** Only what this device would run: the kernels that it was asked for, else those that ops take on its kind. Default false. */
  short?: boolean
  /** More lines about the machine, e.g. the release of its system. */
  system?: Record<string, string>
  /** Called after each kernel. */
  progress?: DoctorOptions['progress']
}

/** What `condlora doctor --json` prints. */
export interface DoctorJson {
  ok: boolean
  versions: Record<string, string>
  system: Record<string, string>
  adapter: Record<string, string>
  features: string[]
  limits: Record<string, number>
  kernels: KernelResult[]
  seconds: number
  /** How many of the kernels had to be compiled for this. */
  compiled: number
}

/** Checks the kernels and says it in a form to paste into an issue. A device that is lost is a finding, not an error. */
export async function doctorReport(
  device: Device,
  options: DoctorReportOptions = {},
): Promise<{ ok: boolean; text: string; json: DoctorJson }> {
  const start = performance.now()
  const compiled = device.kernels.compiled
  const present = options.short ? presentSubjects(device) : []
  const subjects = present.length ? present : allSubjects(device, options.short)
  const kernels = await doctor(device, { subjects, progress: options.progress }).catch((thrown: Error): KernelResult[] => [
    { name: 'the device', file: '', ok: false, problem: thrown.message },
  ])
  const json: DoctorJson = {
    ok: kernels.every((k) => k.ok),
    versions: versions(),
    system: { ...platform(), ...options.system },
    adapter: adapterOf(device),
    features: [...device.gpu.features].sort(),
    limits: limitsOf(device),
    kernels,
    seconds: (performance.now() - start) / 1000,
    compiled: device.kernels.compiled - compiled,
  }
  return { ok: json.ok, text: text(json), json }
}

interface Process {
  platform?: string
  arch?: string
}

const node = () => (globalThis as { process?: Process }).process

function platform(): Record<string, string> {
  const { platform, arch } = node() ?? {}
  if (platform) return { system: `${platform} ${arch}` }
  return { browser: globalThis.navigator?.userAgent ?? 'unknown' }
}

function limitsOf({ gpu: { limits }, limits: own }: Device): Record<string, number> {
  const all: Record<string, number> = {}
  // Limits are getters of the prototype; a cap of our own counts.
  for (const key in limits) {
    const value = limits[key as keyof GPUSupportedLimits]
    if (typeof value === 'number') all[key] = value
  }
  return { ...all, ...own }
}

const shownLimits = [
  'maxBufferSize',
  'maxStorageBufferBindingSize',
  'maxStorageBuffersPerShaderStage',
  'maxComputeWorkgroupStorageSize',
  'maxComputeInvocationsPerWorkgroup',
  'maxComputeWorkgroupsPerDimension',
  'minStorageBufferOffsetAlignment',
]

function text({ versions, system, adapter, features, limits, kernels, seconds, compiled, ok }: DoctorJson): string {
  const words = (record: Record<string, string>) => Object.entries(record).map(([key, value]) => `${key} ${value}`)
  const count = (what: (k: KernelResult) => unknown) => kernels.filter(what).length
  const wrong = kernels.filter((k) => !k.ok)
  const rows: [string, string][] = [
    ['versions', words(versions).join(', ')],
    ...Object.entries(system),
    ...Object.entries({ adapter: adapter.name, ...adapter, name: '' }).filter(([, value]) => value),
    ['features', features.join(', ') || 'none'],
    ['limits', shownLimits.map((name) => `${name} ${limits[name]}`).join(', ')],
  ]
  return [
    'condlora doctor',
    ...rows.map(([key, value]) => `  ${key.padEnd(14)}${value}`),
    '',
    ...kernels.map(line),
    '',
    `${kernels.length} kernels: ${count((k) => k.ok && !k.skipped)} ok, ${wrong.length} wrong, ${count((k) => k.skipped)} not for this device; ` +
      `${seconds.toFixed(1)} s, ${compiled} compiled`,
    ok ? 'This device computes right.' : `This device computes wrong: ${wrong.map((k) => k.name).join('; ')}`,
  ].join('\n')
}

function line({ name, ok, error, problem, skipped }: KernelResult): string {
  const number = error === undefined ? '' : Number.isFinite(error) ? error.toExponential(1) : String(error)
  return `${skipped ? '-    ' : ok ? 'ok   ' : 'WRONG'} ${number.padEnd(8)} ${name}${problem || skipped ? `: ${problem ?? skipped}` : ''}`
}
