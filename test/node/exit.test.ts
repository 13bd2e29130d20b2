import { assert, test } from '../harness'
import { runChild } from './child'

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

test('500 training steps leave the process’s memory flat', async () => {
  const { code, output } = await runChild('memory', [], { flags: gc })
  assert.is(code, 0, output)
  const [before, after] = output
    .split('\n')
    .filter((l) => l.startsWith('['))
    .map((l) => JSON.parse(l) as number[])
  console.log(
    `    resident ${before[0].toFixed(1)} → ${after[0].toFixed(1)} MiB, JavaScript ${before[1].toFixed(1)} → ${after[1].toFixed(1)} MiB`,
  )
  assert.ok(after[0] - before[0] < 8, `resident memory grew: ${output}`)
  assert.ok(after[1] - before[1] < 1, `JavaScript's memory grew: ${output}`)
})
