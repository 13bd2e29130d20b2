/** A WebGPU error with the name of the op that caused it. */
export class GpuError extends Error {
  override name = 'GpuError'
}

/** Memory asked for is more than the device (or `memoryLimit`) has. */
export class OutOfMemoryError extends GpuError {
  override name = 'OutOfMemoryError'

  constructor(
    message: string,
    /** Rows of a batch that may fit, where that is known. */
    readonly batchSize?: number,
  ) {
    super(message)
  }
}

/** The device is gone (driver reset, watchdog, `destroy()`): open a new one and go on from the last checkpoint. */
export class DeviceLostError extends GpuError {
  override name = 'DeviceLostError'
}

/** `op: what; wanted W, got G`: the form of every complaint about arguments. */
export function complain(op: string, what: string, wanted: string, got: string): never {
  throw new TypeError(`${op}: ${what}: wanted ${wanted}, got ${got}`)
}

/** WebGPU implementations reject with things that are not Errors: make one. */
export function asError(thrown: unknown): Error {
  if (thrown instanceof Error) return thrown
  const message = (thrown as { message?: unknown } | null | undefined)?.message
  return new GpuError(typeof message === 'string' ? message : `something was thrown that is no Error: ${String(thrown)}`)
}
