// The training page's worker in Chromium: runs that are cut off in every way, and go on to the same bytes.
import { assert, test } from '../harness'
import { chooseTiny, notices, point, points, settings } from './train_case'
import { downloaded, openStand, withStand } from './train_stand'

/** The adapter of a run that nothing disturbs, trained once. */
let undisturbed: Promise<Uint8Array> | undefined
function wholeRun(): Promise<Uint8Array> {
  undisturbed ??= new Promise((resolve, reject) => {
    withStand(async (stand) => {
      await chooseTiny(stand)
      await stand.call('start', { settings })
      resolve((await downloaded(stand)).bytes)
    }).catch(reject)
  })
  return undisturbed
}

const sameBytes = (got: Uint8Array, wanted: Uint8Array) => assert.ok(Buffer.from(got).equals(Buffer.from(wanted)), 'the adapter differs')

test(
  'stopped, then a new page: the run is offered and goes on to the same bytes; killed in the middle a smaller batch is offered too',
  () =>
    withStand(async (stand) => {
      await chooseTiny(stand)
      assert.is(await stand.call('unfinished', {}), null)
      const ended = stand.call('start', { settings })
      await stand.until(point(5))
      await stand.call('stop', {})
      const stopped = await ended
      assert.is(stopped.why, 'stopped')
      assert.ok(stopped.step >= 5 && stopped.step < 20, `${stopped.step}`)
      const first = await stand.call('unfinished', {})
      assert.equal([first?.base, first?.data, first?.step, first?.totalSteps], ['tiny', 'rows.csv', stopped.step, 20])
      assert.equal([first?.settings, first?.smallerBatch, first?.finished], [settings, undefined, undefined])
      await stand.reload()
      assert.equal(await stand.call('unfinished', {}), first)
      const before = await stand.events()
      void stand.call('resume', {}).catch(() => {}) // ends with its page
      await stand.until(point(stopped.step + 2), before.length)
      const shown = points(await stand.events()).map(({ step }) => step)
      assert.equal(
        shown,
        Array.from({ length: shown.length }, (_, i) => i + 1),
        'the points of before are told again',
      )
      await stand.until((e) => e.event === 'saved' && e.step > stopped.step)
      await stand.reload()
      const killed = await stand.call('unfinished', {})
      assert.ok(killed && killed.step > stopped.step)
      assert.is(killed.smallerBatch, 2)
      assert.is((await stand.call('unfinished', { left: true }))?.smallerBatch, undefined)
      const outcome = await stand.call('resume', {})
      assert.equal([outcome.why, outcome.step], ['done', 20])
      sameBytes((await downloaded(stand)).bytes, await wholeRun())
      assert.is((await stand.call('unfinished', {}))?.finished, true)
      await stand.call('discard', {})
      assert.is(await stand.call('unfinished', {}), null)
      await assert.rejects(stand.call('resume', {}), /there is no run to go on with/)
    }),
  { timeoutMs: 300_000 },
)

test(
  'a lost device: said, opened anew, gone on to the same bytes; lost once more when all is done, the model still answers',
  () =>
    withStand(async (stand) => {
      await chooseTiny(stand)
      const ended = stand.call('start', { settings })
      await stand.until(point(6))
      await stand.trouble({ destroy: true })
      const outcome = await ended
      assert.equal([outcome.why, outcome.step], ['done', 20])
      const recovers = (await stand.events()).flatMap((e) => (e.event === 'recover' ? [e] : []))
      assert.is(recovers.length, 1)
      assert.match(recovers[0].message, /the device was lost/)
      assert.match(recovers[0].from, /checkpoint-\d+$/)
      sameBytes((await downloaded(stand)).bytes, await wholeRun())
      const guess = await stand.call('predict', { text: 'we see money again' })
      await stand.trouble({ destroy: true })
      assert.equal(await stand.call('predict', { text: 'we see money again' }), guess)
      await stand.reload()
      assert.is((await stand.call('unfinished', {}))?.finished, true)
      assert.is((await stand.call('resume', {})).why, 'done')
      sameBytes((await downloaded(stand)).bytes, await wholeRun())
    }),
  { timeoutMs: 300_000 },
)

const long = `text,label\n${Array.from({ length: 72 }, (_, i) => `${'we see many green houses on a river '.repeat(9)},${i % 2}`).join('\n')}\n`

test(
  'a hidden tab trains on; a frozen one holds and goes on, to the same bytes',
  () =>
    withStand(async (stand, context) => {
      await chooseTiny(stand)
      const ended = stand.call('start', { settings })
      await stand.until(point(2))
      const cover = await context.newPage()
      await cover.bringToFront()
      const session = await context.newCDPSession(stand.page)
      await stand.until(point(6))
      await session.send('Page.setWebLifecycleState', { state: 'frozen' })
      await new Promise((resolve) => setTimeout(resolve, 300))
      await session.send('Page.setWebLifecycleState', { state: 'active' })
      assert.equal([(await ended).why, (await ended).step], ['done', 20])
      sameBytes((await downloaded(stand)).bytes, await wholeRun())
    }),
  { timeoutMs: 300_000 },
)

test(
  'memory that runs out: the error names a smaller batch, the run is kept with it, and begins with it',
  () =>
    withStand(async (stand) => {
      await stand.call('model', { base: { from: 'embedded' } })
      await stand.callWith('data', '{"source":{"from":"file","file":"$0"}}', [{ name: 'long.csv', text: long }])
      // Room for each of the base's weights, and for the activations of a few rows of 64 tokens.
      await stand.trouble({ cap: 3e6 })
      const large = { ...settings, perDeviceTrainBatchSize: 64, maxLength: 64, numTrainEpochs: 1 }
      const failed: Error = await stand.call('start', { settings: large }).then(
        (done) => new Error(JSON.stringify(done)),
        (thrown) => thrown,
      )
      const [, size] = /out of memory.*perDeviceTrainBatchSize (\d+) fits/.exec(failed.message) ?? []
      assert.ok(Number(size) < 64, failed.message)
      const kept = await stand.call('unfinished', {})
      assert.equal([kept?.step, kept?.smallerBatch], [0, Number(size)])
      await stand.reload()
      await stand.trouble({ cap: 3e6 })
      const outcome = await stand.call('resume', { perDeviceTrainBatchSize: kept?.smallerBatch })
      assert.equal([outcome.why, outcome.step], ['done', 2])
    }),
  { timeoutMs: 300_000 },
)

test(
  'a run goes on in smaller batches: as many rows a step, in parts that leave none over',
  () =>
    withStand(async (stand) => {
      await chooseTiny(stand)
      const ended = stand.call('start', { settings: { ...settings, perDeviceTrainBatchSize: 16, numTrainEpochs: 2 } })
      await stand.until(point(3))
      await stand.call('stop', {})
      assert.ok((await ended).step < 8)
      const outcome = await stand.call('resume', { perDeviceTrainBatchSize: 5 })
      assert.equal([outcome.why, outcome.step], ['done', 8])
      const changed = /perDeviceTrainBatchSize was 16, is 4; gradientAccumulationSteps was 1, is 4/
      assert.is(notices(await stand.events()).filter((text) => changed.test(text)).length, 1)
    }),
  { timeoutMs: 300_000 },
)

test(
  'a full disk does not end a run: it says so and trains on, with its checkpoints in memory',
  () =>
    withStand(async (stand) => {
      await chooseTiny(stand)
      const ended = stand.call('start', { settings })
      await stand.until((e) => e.event === 'saved')
      await stand.trouble({ full: true })
      await stand.until(point(10))
      await stand.trouble({ destroy: true })
      assert.is((await ended).why, 'done')
      const told = notices(await stand.events())
      assert.is(told.filter((text) => /Checkpoints are kept in memory from now on.*there is no room/.test(text)).length, 1, told.join('\n'))
      sameBytes((await downloaded(stand)).bytes, await wholeRun())
    }),
  { timeoutMs: 300_000 },
)

test(
  'a second tab is refused while one trains; without WebGPU in workers it is said',
  () =>
    withStand(async (stand, context, url) => {
      await chooseTiny(stand)
      const ended = stand.call('start', { settings: { ...settings, numTrainEpochs: 50 } })
      await stand.until(point(1))
      const second = await openStand(context, url)
      await chooseTiny(second)
      await assert.rejects(second.call('start', { settings }), /Another tab of this page is training/)
      assert.is(await second.call('unfinished', {}), null)
      await second.trouble({ missing: true })
      await assert.rejects(second.call('open', {}), /offers no WebGPU in workers.*Chrome and Edge have it from 113/)
      await stand.call('stop', {})
      assert.is((await ended).why, 'stopped')
      assert.ok((await second.call('unfinished', {}))?.step)
    }),
  { timeoutMs: 300_000 },
)
