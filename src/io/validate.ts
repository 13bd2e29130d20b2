import type * as z from 'zod/mini'
import { toDotPath } from 'zod/v4/core'
import en from 'zod/v4/locales/en.js'

/**
 * Checks a value from outside (options, a config file) against a schema and fills in its defaults.
 * @throws TypeError naming `what`, the key, what was wanted and what was given
 */
export function validate<S extends z.ZodMiniType>(schema: S, value: unknown, what: string): z.output<S> {
  const result = schema.safeParse(value, { error: en().localeError })
  if (result.success) return result.data
  const lines = result.error.issues.map((issue) => {
    const path = toDotPath(issue.path)
    const got = issue.path.reduce<unknown>((at, key) => (at as Record<PropertyKey, unknown> | undefined)?.[key], value)
    return `${path ? `${path}: ` : ''}${issue.message}${issue.path.length ? `, got ${JSON.stringify(got)}` : ''}`
  })
  throw new TypeError(`${what}: ${lines.join('; ')}`)
}
