import { shaders } from 'condlora:build'
import type { Constants } from '../../src/doctor/check'
import { type Device, preprocess } from '../../src/gpu'
import type { Shader } from '../../src/gpu/pipelines'
import type { Mutation } from './mutations'

/** Whether the mutation makes this form of this file another text. */
export function hits({ file, find, replace, when }: Mutation, name: string, constants: Constants | undefined): boolean {
  if (file !== name || (when && !when(constants ?? {}))) return false
  const source = shaders[file]
  return preprocess(source.replace(find, replace), constants) !== preprocess(source, constants)
}

/** Runs `body` while the device compiles the broken text for the forms that the mutation hits, and the right one for all others. */
export async function withBroken<T>(device: Device, mutation: Mutation, body: () => Promise<T>): Promise<T> {
  const { kernels } = device
  const own = kernels.get
  const broken = (source: string, constants: Constants | undefined) =>
    source === shaders[mutation.file] && hits(mutation, mutation.file, constants) ? source.replace(mutation.find, mutation.replace) : source
  // A text that is still to be loaded: one loader a form, since kernels are kept by their loaders.
  const loaders = new Map<Shader, Map<string, Shader>>()
  kernels.get = (op, shader, entry, constants) => {
    if (typeof shader === 'string') return own.call(kernels, op, broken(shader, constants), entry, constants)
    const forms = loaders.get(shader) ?? new Map<string, Shader>()
    loaders.set(shader, forms)
    const form = JSON.stringify(constants)
    const loader = forms.get(form) ?? (() => shader().then((file) => ({ default: broken(file.default, constants) })))
    forms.set(form, loader)
    return own.call(kernels, op, loader, entry, constants)
  }
  try {
    return await body()
  } finally {
    kernels.get = own
  }
}
