/** Lengths that batches are padded to: few, so that a recorded step serves many batches, and none wastes more than a third. */
const steps = [8, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512]

/** The padded length of a batch whose longest row has `longest` tokens; never above maxLength. */
export function bucketLength(longest: number, maxLength: number): number {
  const step = steps.find((s) => s >= longest) ?? Math.ceil(longest / 256) * 256
  return Math.min(step, maxLength)
}
