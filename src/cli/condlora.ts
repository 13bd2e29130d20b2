#!/usr/bin/env node
import { reportFailure } from './failure'
import { createProgram } from './program'

// A reader that has seen enough (`| head`) is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1))

const debug = process.argv.includes('--debug')
process.on('unhandledRejection', (thrown) => process.exit(reportFailure(thrown, debug) || 1))

try {
  await createProgram().parseAsync()
} catch (thrown) {
  process.exitCode = reportFailure(thrown, debug)
}
