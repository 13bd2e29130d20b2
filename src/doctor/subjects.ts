import { shaders } from 'condlora:build'
import type { Device } from '../gpu'
import type { Kernel, Shader } from '../gpu/pipelines'
import { takesHalf } from '../gpu/wgsl'
import { lanesOf } from '../ops/gemm_kernels'
import { deviceUnits, unitForms } from '../ops/gemm_units'
import type { Check, Constants, Form } from './check'
import { checks } from './checks'

/** A kernel to be checked: a file of shaders/, an entry point, and the constants that make it one of its forms. */
export interface Subject {
  /** E.g. `softmax.wgsl LANES=32 WIDE=true`. */
  name: string
  file: string
  shader: Shader
  entry: string
  constants: Constants | undefined
  check: Check
  /** Why it cannot run here. */
  skip?: string
}

/** Every form that ops give to a kernel, on any device; with `only`, those that ops take on this one. */
export function allSubjects(device: Device, only = false): Subject[] {
  const kind = device.software ? 'processors' : 'gpus'
  return Object.entries(checks).flatMap(([file, all]) =>
    all.flatMap((check) =>
      formsOf(device, file, check)
        .filter((form) => !only || ((form.on ?? kind) === kind && !lacking(device, form)))
        .map((form) => {
          const { constants } = form
          const entry = check.entry ?? 'main'
          const skip = lacking(device, form)
          return { name: kernelName(file, entry, constants), file, shader: shaders[file], entry, constants, check, skip }
        }),
    ),
  )
}

/** Those of matrix units are the device's own. */
function formsOf(device: Device, file: string, { forms }: Check): Form[] {
  const own = file === 'matmul_units' ? unitForms(device) : []
  return own.length ? own.map((constants) => ({ constants, units: true })) : forms
}

/** What a form needs that the device has not. */
function lacking(device: Device, { constants, subgroups, units }: Form): string | undefined {
  if (takesHalf(constants) && !device.features.has('shader-f16')) return 'needs shader-f16'
  if (units && !deviceUnits(device).length) return 'needs matrix units (experimental)'
  return subgroups && subgroups !== lanesOf(device) ? `needs subgroups of ${subgroups} threads` : undefined
}

/** The kernels that this device was asked for so far, e.g. by recording a step; kernels of other libraries are left out. */
export function presentSubjects(device: Device): Subject[] {
  const files = new Map(Object.entries(shaders).map(([file, source]) => [source, file]))
  return device.kernels.all.flatMap((kernel) => presentSubject(kernel, files.get(kernel.text?.source ?? '')))
}

function presentSubject({ shader, entry, constants }: Kernel, file: string | undefined): Subject[] {
  const check = file === undefined ? undefined : checks[file].find((c) => (c.entry ?? 'main') === entry)
  return file !== undefined && check ? [{ name: kernelName(file, entry, constants), file, shader, entry, constants, check }] : []
}

/** File and form in words: what a report names. */
export function kernelName(file: string, entry: string, constants: Constants | undefined): string {
  const form = Object.entries(constants ?? {}).map(([name, value]) => ` ${name}=${value}`)
  return `${file}.wgsl${entry === 'main' ? '' : ` ${entry}`}${form.join('')}`
}
