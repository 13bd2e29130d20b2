// The op suite as one bundle for a machine with a GPU, Node and npm `webgpu` alone. build.mjs hands in the test files.
import { appendFileSync, writeFileSync } from 'node:fs'
import { platformGpu } from '../src/gpu/platform.node'
import { runHere } from './harness'
import { onRecord } from './platform.node'
import { type Entry, judge } from './records'

const log = 'gpu-suite.log'

/** Runs the files whose names contain one of the arguments, all without arguments: a line for each, then the totals. */
export async function runSuite(files: Record<string, () => Promise<unknown>>): Promise<void> {
  const print = console.log
  writeFileSync(log, '')
  const write = (line: unknown) => appendFileSync(log, `${line}\n`)
  for (const line of await adapterReport()) {
    print(line)
    write(line)
  }
  // Seeds and the like go to the log.
  console.log = write
  const filters = process.argv.slice(2)
  const names = Object.keys(files).filter((name) => !filters.length || filters.some((part) => name.includes(part)))
  let [passed, failed] = [0, 0]
  let entries: Entry[] = []
  const finish = (name: string, start: number, end: string): void => {
    const result = judge(entries, end)
    passed += result.passed
    failed += result.failed
    print(
      `${result.failed ? 'FAIL' : 'ok  '} ${name.padEnd(28)} ${String(result.passed).padStart(4)} passed ${String(result.failed).padStart(3)} failed ${String(Math.round(performance.now() - start)).padStart(7)} ms`,
    )
    for (const problem of result.problems) {
      write(problem)
      print(`     ${problem.split('\n')[0]}`)
    }
  }
  const total = (): void => {
    if (passed + failed === 0) failed = 1
    print(`log: ${log}\n${passed} passed, ${failed} failed`)
    process.exitCode = failed ? 1 : 0
  }
  let now: { name: string; start: number } | undefined
  // A crash, or a test that ends the process, leaves no later chance to count.
  process.on('exit', () => {
    if (!now) return
    finish(now.name, now.start, 'the process ended in the middle of this file')
    now = undefined
    total()
    process.exitCode = 1
  })
  for (const name of names) {
    entries = []
    onRecord((entry) => {
      entries.push(entry)
      write(JSON.stringify(entry))
    })
    now = { name, start: performance.now() }
    const end = await runHere(files[name]).then(
      () => '',
      (thrown) => `could not be run: ${(thrown as Error)?.stack ?? thrown}`,
    )
    finish(name, now.start, end)
    now = undefined
  }
  total()
}

/** What the adapter is and has, before anything is planned for it. */
async function adapterReport(): Promise<string[]> {
  // Dawn shows its experimental features under this toggle only; nothing but this report uses them.
  const gpu = await platformGpu(true, ['enable-dawn-features=allow_unsafe_apis'])
  const adapter = await gpu.requestAdapter({ powerPreference: 'high-performance' })
  if (!adapter) throw new Error('no WebGPU adapter: see VK_DRIVER_FILES, or CONDLORA_VULKAN for a loader outside the usual folders')
  const { vendor, architecture, device, description } = adapter.info
  const limits = [
    'maxBufferSize',
    'maxStorageBufferBindingSize',
    'maxStorageBuffersPerShaderStage',
    'maxComputeWorkgroupStorageSize',
    'maxComputeInvocationsPerWorkgroup',
    'maxComputeWorkgroupsPerDimension',
    'minStorageBufferOffsetAlignment',
  ] as const
  const { subgroupMinSize, subgroupMaxSize } = adapter.info
  const matrices = (adapter.info as { subgroupMatrixConfigs?: Iterable<Record<string, unknown>> }).subgroupMatrixConfigs ?? []
  return [
    `adapter: ${[description, device, vendor, architecture].filter(Boolean).join(', ')}`,
    `features: ${[...adapter.features].sort().join(' ')}`,
    `limits: ${limits.map((name) => `${name} ${adapter.limits[name]}`).join(', ')}`,
    `subgroups: ${subgroupMinSize} to ${subgroupMaxSize}`,
    `subgroup matrices: ${[...matrices].map(({ M, N, K, componentType, resultComponentType }) => `${M}x${N}x${K} ${componentType} to ${resultComponentType}`).join(', ') || 'none'}`,
  ]
}
