import { type AdapterReport, listAdapters } from '../gpu'
import { UsageError } from './failure'
import { type Common, type deviceFlags, kebab, planFlags, type Values } from './flags'
import { print } from './say'
import { pick } from './settings'

const shownLimits = [
  'maxBufferSize',
  'maxStorageBufferBindingSize',
  'maxComputeWorkgroupStorageSize',
  'maxComputeInvocationsPerWorkgroup',
  'maxComputeWorkgroupsPerDimension',
  'maxStorageBuffersPerShaderStage',
  'minStorageBufferOffsetAlignment',
]
/** What the kernels use where it is there. */
const usedFeatures = ['shader-f16', 'subgroups', 'timestamp-query']

export interface InfoOptions extends Common, Values<typeof deviceFlags>, Values<typeof planFlags> {
  plan?: string
}

/** `condlora info` */
export async function info(options: InfoOptions): Promise<void> {
  if (options.plan !== undefined) return (await import('./plan')).plan(options.plan, options)
  const [alone] = Object.keys(pick(planFlags, { ...options }))
  if (alone) throw new UsageError(`${kebab(alone)}: belongs to --plan`)
  const all = await listAdapters({ software: options.software ?? true })
  const wanted = options.adapter?.toLowerCase()
  const found = wanted === undefined ? all : all.filter((a) => a.name.toLowerCase().includes(wanted))
  if (!found.length) {
    const why = all.length
      ? `--adapter: none has ${JSON.stringify(options.adapter)} in its name; there are: ${all.map((a) => a.name).join('; ')}`
      : 'no WebGPU adapter was found; install a Vulkan driver (Linux) or update the GPU driver, or leave out --no-software'
    throw new Error(why)
  }
  print(options.json ? JSON.stringify({ adapters: found }) : found.map(text).join('\n\n'))
}

const unit = ({ componentType, resultComponentType, M, N, K }: AdapterReport['units'][number]) =>
  `${componentType} ${M}×${N}×${K} in ${resultComponentType}`

function text(a: AdapterReport): string {
  const { name, driver, backend, vendor, architecture, device, software, features, units, limits } = a
  const rows: [string, string][] = [
    ['driver', driver],
    ['backend', backend],
    ['vendor', vendor],
    ['architecture', architecture],
    ['device', device],
    ['computes on', software ? 'the processor (software)' : 'a GPU'],
    ['used features', usedFeatures.map((f) => `${f} ${features.includes(f) ? 'yes' : 'no'}`).join(', ')],
    ['all features', features.join(', ')],
    ['matrix units (--experimental)', units.map(unit).join(', ') || 'none'],
    ...shownLimits.map((key): [string, string] => [key, (limits[key] ?? 0).toLocaleString('en-US')]),
  ]
  return [name, ...rows.map(([key, value]) => `  ${key.padEnd(34)}${value || 'not told'}`)].join('\n')
}
