// Reads a file of the hub as the environment says, and prints its hash.
import { createHash } from 'node:crypto'
import { openHub } from '../../../src/io'

const files = await openHub('owner/small')
const got = await files.read('model.safetensors')
console.log(createHash('sha256').update(got).digest('hex'))
