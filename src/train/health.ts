import type { CallablePeftModel } from '../peft'

/** A step that leads nowhere, not finite or without a gradient: the learning rate is too high, or the device computes wrongly. */
export class StepError extends Error {
  override name = 'StepError'
}

/** Trained tensors whose gradient, as the last step left it, is zero in every number. */
export async function zeroGradients({ parameters }: CallablePeftModel): Promise<string[]> {
  const all = await parameters.gradients.data()
  return parameters
    .trained()
    .filter(([name, { size }]) =>
      all.subarray(parameters.places.get(name), (parameters.places.get(name) ?? 0) + size).every((v) => v === 0),
    )
    .map(([name]) => name)
}
