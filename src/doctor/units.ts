import type { Device } from '../gpu'
import { deviceUnits, trustUnits } from '../ops/gemm_units'
import { checkOnce, type StartOptions } from './start'
import { allSubjects } from './subjects'

/** What came of a device's matrix units. */
export interface UnitsResult {
  /** Products take them from now on. */
  used: boolean
  /** Their shapes, or why they are not used, in words. */
  says: string
}

/**
 * Checks the kernels that use the matrix units of a device opened with `experimental: true`. Where all of them are right, products take
 * them from now on: those of half floats, or of f32 too where the units multiply f32. What was found is kept as `checkPresent` keeps it.
 * Without units, or with one wrong kernel, the device computes as before.
 */
export async function checkUnits(device: Device, options: StartOptions = {}): Promise<UnitsResult> {
  const units = deviceUnits(device)
  if (!units.length) return { used: false, says: `no matrix units here${device.units.length ? ' of a shape that products can use' : ''}` }
  const shapes = units.map(({ type, m, n, k }) => `${type} ${m}×${n}×${k}`).join(', ')
  const subjects = allSubjects(device).filter(({ file }) => file === 'matmul_units')
  const { wrong } = await checkOnce(device, subjects, options)
  if (!wrong.length) trustUnits(device)
  const says = wrong.length
    ? `matrix units (${shapes}) are not used: ${wrong.length} of their ${subjects.length} kernels are wrong: ${wrong[0].problem}`
    : `matrix units (${shapes}) take products, their kernels were found right`
  return { used: !wrong.length, says }
}
