// Proof by peft itself: every method against PyTorch, transformers and peft. `npm run test:peft [-- part of a case's name …]`
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openDevice } from '../../src/gpu'
import { openFolder } from '../../src/io'
import { AutoModelForSequenceClassification } from '../../src/models/auto'
import { Random } from '../../src/ops/philox'
import { cases } from './cases'
import { Ledger } from './ledger'
import { randomBatch, settings, writeBase } from './ours'
import { Peer } from './peer'
import { findPython } from './python'
import { Trial } from './trial'

async function main(wanted: string[]): Promise<number> {
  const chosen = cases.filter(({ name }) => !wanted.length || wanted.some((part) => name.includes(part)))
  if (!chosen.length) throw new Error(`no case of this name; there are ${cases.map(({ name }) => name).join('; ')}`)
  const peer = new Peer(findPython())
  const folder = mkdtempSync(join(tmpdir(), 'condlora-peft-'))
  const ledger = new Ledger()
  try {
    const about = await peer.ask<Record<string, string>>('about')
    console.log(
      Object.entries(about)
        .map((pair) => pair.join(' '))
        .join(', '),
    )
    const device = await openDevice({ software: true })
    const wanted = process.env.CONDLORA_TEST_ADAPTER ?? ''
    if (!device.adapterName.toLowerCase().includes(wanted.toLowerCase()))
      throw new Error(`wanted the adapter ${wanted}, got ${device.adapterName}`)
    const seed = Number(process.env.CONDLORA_SEED ?? 1)
    console.log(`seed ${seed} (CONDLORA_SEED)`)
    const random = new Random(seed)
    const base = join(folder, 'base')
    await writeBase(device, openFolder(base))
    const batches = settings.factors.map(() => randomBatch(random))
    const model = await AutoModelForSequenceClassification.fromPretrained(base, { device })
    const setting = { model, peer, ledger, folder, base, random, batches, sample: randomBatch(random, false) }
    for (const each of chosen) await new Trial(setting, each).run()
    device.destroy()
  } finally {
    peer.close()
    rmSync(folder, { recursive: true, force: true })
  }
  console.log(`\n‖ours − theirs‖/‖theirs‖, the largest of each\n\n${ledger.table()}\n\n${ledger.passed} passed, ${ledger.failed} failed`)
  return ledger.failed
}

try {
  process.exitCode = (await main(process.argv.slice(2))) ? 1 : 0
} catch (thrown) {
  console.error((thrown as Error).message)
  process.exitCode = 1
}
