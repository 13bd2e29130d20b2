import type { Device } from '../gpu'

/**
 * How row kernels share the work: one thread a row on software adapters, where a barrier costs more than the row;
 * 32 threads a row on GPUs.
 */
export function rowGroups(device: Device): { LANES: number; ROWS: number; GROUP: number } {
  return device.software ? { LANES: 1, ROWS: 16, GROUP: 16 } : { LANES: 32, ROWS: 4, GROUP: 128 }
}

/**
 * Rows whose length is a multiple of 4 are read in vec4s: the constants for it, and the number of cells in a row of n.
 * `offset`: where an operand begins that need not lie at a vec4.
 */
export function rowCells(n: number, offset = 0): { constants: { WIDE: boolean; Cell: string }; cells: number; width: number } {
  const width = n % 4 || offset % 4 ? 1 : 4
  return { constants: { WIDE: width === 4, Cell: width === 4 ? 'vec4f' : 'f32' }, cells: n / width, width }
}
