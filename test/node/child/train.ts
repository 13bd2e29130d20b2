// A process of its own that trains the tiny model in a folder and goes on from its last checkpoint: `train.js FOLDER [HALF]`.
// It prints a line for each step. With HALF it stands still in the middle of the third file of the first checkpoint that it writes.
import { type Files, openFolder } from '../../../src/io'
import { start } from '../../train/start'

const [folder, half] = process.argv.slice(2)

/** A folder whose third write stops after half of the bytes, for ever. */
function stuck(files: Files): Files {
  let writes = 0
  async function* firstHalf(bytes: Uint8Array) {
    yield bytes.subarray(0, bytes.length >> 1)
    console.log('half')
    await new Promise((resolve) => setTimeout(resolve, 1e6))
  }
  return { ...files, write: (path, bytes) => files.write(path, ++writes === 3 ? firstHalf(bytes as Uint8Array) : bytes) }
}

const files = openFolder(folder)
const trainer = await start({
  model: { hidden_dropout_prob: 0.1 },
  args: { maxSteps: 72, saveSteps: 2, saveTotalLimit: 2, evalStrategy: 'steps', evalSteps: 9, loadBestModelAtEnd: true },
  files: half ? stuck(files) : files,
})
trainer.on('log', ({ step }) => console.log(`step ${step}`))
await trainer.train({ resumeFromCheckpoint: true })
await trainer.model.savePretrained(`${folder}/adapter`)
console.log('done')
