import type { Device } from '../gpu'

/**
 * How row kernels share the work: one thread a row on software adapters, where a barrier costs more than the row;
 * 32 threads a row on GPUs.
 */
export function rowGroups(device: Device): { LANES: number; ROWS: number; GROUP: number } {
  return device.software ? { LANES: 1, ROWS: 16, GROUP: 16 } : { LANES: 32, ROWS: 4, GROUP: 128 }
}
