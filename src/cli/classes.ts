import type { Dataset } from '../data'
import { UsageError } from './failure'
import type { DataSettings } from './flags'

/** What the labels of the data are. */
export interface Classes {
  /** Names by number; undefined where the data has numbers. */
  labels?: string[]
  /** 1: a regression. */
  numLabels: number
}

/** What the labels themselves tell. */
export interface FoundLabels {
  names?: readonly string[]
  regression: boolean
  /** One more than the greatest class number. */
  needed: number
}

export function findLabels(splits: Dataset[]): FoundLabels {
  const values = splits.flatMap((split) => split.rows.map((row) => row.label ?? 0))
  return {
    names: splits[0].labelNames,
    regression: values.some((v) => !Number.isInteger(v)),
    needed: values.reduce((most, v) => Math.max(most, v), 0) + 1,
  }
}

/** How many classes the data has; one for a regression. */
export function classes(found: FoundLabels, { labels, numLabels, regression }: DataSettings): Classes {
  if (regression || found.regression) {
    if (numLabels !== undefined && numLabels !== 1)
      throw new UsageError(`--num-labels: the labels have fractions, which makes this a regression with 1, got ${numLabels}`)
    return { numLabels: 1 }
  }
  const names = labels ?? found.names
  const count = numLabels ?? names?.length ?? Math.max(2, found.needed)
  if (found.needed > count)
    throw new UsageError(`--num-labels: the data has the label ${found.needed - 1}, so at least ${found.needed} are wanted, got ${count}`)
  if (names?.length === 1) throw new Error(`the label column holds nothing but ${JSON.stringify(names[0])}; wanted two classes or more`)
  return names?.length === count ? { labels: [...names], numLabels: count } : { numLabels: count }
}
