import { type Device, DeviceLostError } from '../gpu'

/** The device did not answer in time. It counts as lost from then on. */
export class StepTimeoutError extends DeviceLostError {
  override name = 'StepTimeoutError'
}

/**
 * `work`, which waits for the device. After `ms` (0: never) the device counts as lost, whatever it says of itself: a driver
 * may hang without a word.
 */
export async function within<T>(device: Device, ms: number, what: string, work: Promise<T>): Promise<T> {
  if (!ms) return work
  const timer = setTimeout(
    () =>
      device.abandon(
        new StepTimeoutError(
          `${what} was not done after ${ms} ms (stepTimeoutMs): the device hangs, or is too slow for this batch. It counts as lost now: open a new one and go on from the last checkpoint, with a larger stepTimeoutMs or a smaller batch if it was only slow.`,
        ),
      ),
    ms,
  )
  try {
    return await work
  } finally {
    clearTimeout(timer)
  }
}
