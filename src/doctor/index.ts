// `condlora/doctor`: does this device compute right? Each kernel by itself, on odd shapes, against float64.
export { userCache } from '../io/user_cache.node'
export { type DoctorOptions, doctor, type KernelResult } from './doctor'
export { type DoctorJson, type DoctorReportOptions, doctorReport } from './report'
export { checkPresent, guard, type StartOptions, WrongKernelError } from './start'
export { checkUnits, type UnitsResult } from './units'
