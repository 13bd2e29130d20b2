import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { openFolder, openSafetensors } from '../../src/io'
import { AutoModelForSequenceClassification } from '../../src/models/auto'
import { PeftModel } from '../../src/peft'
import { assert, openTestDevice, test } from '../harness'
import { condlora, inFolder, readJson, trainArgs } from './command'

const tokens = { inputIds: [[0, 40, 41, 42, 2]] }

test('merge: a folder with adapter, head, labels and tokenizer in it, which gives the same logits; whole or not at all', () =>
  inFolder(async (cwd) => {
    const run = await condlora([...trainArgs, '--steps', '6', '--output', 'run'], { cwd })
    assert.is(run.code, 0, run.err)
    const merged = await condlora(['merge', 'run', '--output', 'out/merged', '--data', 'dev.csv', '--json'], { cwd })
    assert.is(merged.code, 0, merged.err)
    const told = JSON.parse(merged.out)
    assert.equal([told.output, told.base, told.texts], ['out/merged', 'tiny', 12])
    assert.ok(told.largestLogit > 0.1 && told.largestDifference < 1e-5, merged.out)
    const held = ['config.json', 'model.safetensors', 'tokenizer.json', 'tokenizer_config.json']
    assert.equal([readdirSync(join(cwd, 'out')), readdirSync(join(cwd, 'out/merged')).sort()], [['merged'], held])
    const config = readJson(cwd, 'out/merged/config.json')
    assert.equal(
      [config.id2label, config.label2id],
      [
        { 0: 'ham', 1: 'spam' },
        { ham: 0, spam: 1 },
      ],
    )

    const device = await openTestDevice()
    const base = await AutoModelForSequenceClassification.fromPretrained(join(cwd, 'tiny'), { device, notice: () => {} })
    const adapted = await PeftModel.fromPretrained(base, join(cwd, 'run/adapter'))
    const alone = await AutoModelForSequenceClassification.fromPretrained(join(cwd, 'out/merged'), { device, notice: assert.unreachable })
    assert.close(await (await alone(tokens)).data(), await (await adapted(tokens)).data(), 1e-5, 'logits')
    const names = [...(await openSafetensors(openFolder(join(cwd, 'tiny')), 'model.safetensors')).keys()]
    const written = await openSafetensors(openFolder(join(cwd, 'out/merged')), 'model.safetensors')
    assert.ok(names.every((name) => written.has(name)) && written.has('classifier.out_proj.weight'))

    const weights = () => readFileSync(join(cwd, 'out/merged/model.safetensors'))
    const first = weights()
    // The adapter alone names its base too.
    const again = await condlora(['merge', 'run/adapter', '--output', 'out/merged', '--overwrite'], { cwd })
    assert.match(again.out, /^written +out\/merged\nlargest difference +\d\.\de-\d+ between the logits of 6 texts, /)
    assert.ok(weights().equals(first))
    for (const [args, message] of [
      [['merge', 'run'], /--output: is missing/],
      [['merge', 'run', '--output', 'out/merged'], /--output out\/merged: holds config\.json, .*; choose another folder, or replace it by/],
      [['merge', 'run', '--output', 'tiny', '--overwrite'], /--output tiny: is what is read/],
      [['merge', 'run', '--output', 'out', '--overwrite'], /--output out: holds merged, which this command did not write/],
    ] as const) {
      const { code, err } = await condlora([...args], { cwd })
      assert.is(code, 2, err)
      assert.match(err, message)
    }
    // A broken adapter is found on the way: what was there stays.
    const adapter = join(cwd, 'run/adapter/adapter_model.safetensors')
    writeFileSync(adapter, readFileSync(adapter).subarray(0, 300))
    const failed = await condlora(['merge', 'run', '--output', 'out/merged', '--overwrite'], { cwd })
    assert.is(failed.code, 1)
    assert.equal([weights().equals(first), readdirSync(join(cwd, 'out'))], [true, ['merged']])
  }))
