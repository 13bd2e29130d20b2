// A process of its own that trains the tiny model in a folder and goes on from its last checkpoint: `train.js FOLDER [half | STEPS]`.
// It prints a line for each step. With half it stands still in the middle of the third file of the first checkpoint that it writes,
// with STEPS after that many steps of its own.
import { type Files, openFolder } from '../../../src/io'
import { start } from '../../train/start'

const [folder, how] = process.argv.slice(2)

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
  args: { maxSteps: 60, saveSteps: 2, saveTotalLimit: 2, evalStrategy: 'steps', evalSteps: 9, loadBestModelAtEnd: true },
  files: how === 'half' ? stuck(files) : files,
})
let steps = 0
trainer.on('log', ({ step }) => {
  console.log(`step ${step}`)
  if (++steps === Number(how)) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
})
await trainer.train({ resumeFromCheckpoint: true })
await trainer.model.savePretrained(`${folder}/adapter`)
console.log('done')
