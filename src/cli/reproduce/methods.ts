import type { peftTypes } from '../settings'

/** What is compared, in the order of the table. */
export type MethodName = keyof typeof peftTypes

/** A method that `train --method` knows must be listed here: the compiler asks for it. */
export const methodTitles: Record<MethodName, string> = {
  head: 'head only',
  lora: 'LoRA',
  condlora: 'CondLoRA',
}

export const methodNames = Object.keys(methodTitles) as MethodName[]

/** The Trainer's name of a metric on the rows that it evaluates: `evalAccuracy`. */
export const metricKey = ({ metric }: { metric: string }) => `eval${metric[0].toUpperCase()}${metric.slice(1)}`
