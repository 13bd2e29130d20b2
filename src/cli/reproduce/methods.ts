import type { MethodName } from '../methods'

/** What is compared where nothing else is said: the paper's methods, and what they are measured against. */
export const comparedMethods: MethodName[] = ['head', 'lora', 'condlora', 'full']

/** The Trainer's name of a metric on the rows that it evaluates: `evalAccuracy`. */
export const metricKey = ({ metric }: { metric: string }) => `eval${metric[0].toUpperCase()}${metric.slice(1)}`
