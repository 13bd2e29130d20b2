import { shaders } from 'condlora:build'
import type { Constants } from '../../src/doctor/check'
import { type Device, preprocess } from '../../src/gpu'
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
  kernels.get = (op, source, entry, constants) => {
    const broken = source === shaders[mutation.file] && hits(mutation, mutation.file, constants)
    return own.call(kernels, op, broken ? source.replace(mutation.find, mutation.replace) : source, entry, constants)
  }
  try {
    return await body()
  } finally {
    kernels.get = own
  }
}
