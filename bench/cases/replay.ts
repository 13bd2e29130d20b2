import type { Case, WorkOf } from '../case'

function replay(recorded: boolean): Case<WorkOf<'replay'>> {
  const dispatches = 1000
  return {
    group: 'replay',
    name: recorded ? 'handed over, a dispatch of a replayed list' : 'handed over, a dispatch that makes its bind group',
    unit: 'µs',
    better: 'lower',
    work: { kind: 'replay', dispatches, recorded },
    amount: dispatches,
    flops: 0,
    // Each dispatch adds 1 to the first of 64 numbers; twice, at least, when it is read.
    error: ([sum]) => (sum[0] > 0 && sum[0] % dispatches === 0 ? 0 : Number.NaN),
    limit: 0,
    untilHandedOver: true,
    calls: 25,
    ownOnly: true,
  }
}

/** What the program's own thread spends on a dispatch before the device has it. */
export const replays = [replay(true), replay(false)]
