import { assert, test } from '../harness'
import { runChild, typicalGrowth } from './child'

const gc = ['--expose-gc']

async function ends(way: string, code: number, output: RegExp, flags: string[] = []): Promise<void> {
  const got = await runChild('exit', [way], { flags })
  assert.equal({ code: got.code, signal: got.signal }, { code, signal: null }, `${way}: ${got.output}`)
  assert.match(got.output, output)
}

test('the process ends by itself when the work is done, with destroy and without', async () => {
  await ends('done', 0, /works/)
  await ends('destroyed', 0, /works/)
})

test('it waits for a result that was asked for', () => ends('unawaited', 0, /works/))

test('it ends after an error, with its code and message', async () => {
  await ends('throws', 1, /on purpose/)
  await ends('throwsInFlight', 1, /on purpose/)
})

test('work in flight at the end does not crash it', async () => {
  await ends('exitInFlight', 3, /^(?!.*Error)/)
  await ends('destroyInFlight', 0, /DeviceLostError/)
})

test('devices opened, destroyed and forgotten, with the collector at work, do not crash it', () => ends('manyDevices', 0, /works/, gc))

test('training steps leave the process’s memory flat', async () => {
  const { code, output } = await runChild('memory', [], { flags: gc })
  assert.is(code, 0, output)
  const readings = output
    .split('\n')
    .filter((l) => l.startsWith('['))
    .map((l) => JSON.parse(l) as number[])
  assert.is(readings.length, 13, output)
  const [resident, javaScript] = [0, 1].map((i) => typicalGrowth(readings.map((r) => r[i])))
  console.log(`    a hundred steps: resident ${resident.toFixed(2)} MiB more, JavaScript ${javaScript.toFixed(2)} MiB`)
  // Two buffers of 10 KB kept by every step would be 2 MiB.
  assert.ok(resident < 1.5, `resident memory grows: ${output}`)
  assert.ok(javaScript < 0.2, `JavaScript's memory grows: ${output}`)
})
