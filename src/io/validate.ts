import * as v from 'valibot'

/**
 * Checks a value from outside (options, a config file) against a schema and fills in its defaults.
 * @throws TypeError naming `what`, the key, what was wanted and what was given
 */
export function validate<S extends v.GenericSchema>(schema: S, value: unknown, what: string): v.InferOutput<S> {
  const result = v.safeParse(schema, value)
  if (result.success) return result.output
  throw new TypeError(`${what}: ${result.issues.map(complaint).join('; ')}`)
}

const names: Record<string, string> = { integer: 'a whole number', finite: 'a finite number', non_empty: 'something', Object: 'an object' }

function complaint(issue: v.BaseIssue<unknown>): string {
  const { expected, type, input } = issue
  const path = v.getDotPath(issue)
  if (type.endsWith('object') && path && expected === 'never') return `Unrecognized key: ${JSON.stringify(path)}`
  if (type.endsWith('object') && path && expected !== 'Object') return `${path} is missing`
  return `${path ? `${path}: ` : ''}wanted ${names[expected ?? type] ?? expected ?? type}, got ${JSON.stringify(input)}`
}
