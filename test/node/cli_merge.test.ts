import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { openFolder, openSafetensors, readTensor } from '../../src/io'
import { writeSafetensors } from '../../src/io/safetensors_write'
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
    assert.ok(told.largestLogit > 0.01 && told.largestDifference < 1e-5, merged.out)
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

test('convert: CondLoRA, in its own form and in that of the paper’s program, as LoRA of each layer; what has no such form is refused', () =>
  inFolder(async (cwd) => {
    const run = await condlora([...trainArgs, '--steps', '6', '--dropout-placement', 'input', '--output', 'run'], { cwd })
    assert.is(run.code, 0, run.err)
    const card = readFileSync(join(cwd, 'run/adapter/README.md'), 'utf8')
    assert.match(
      card,
      /^---\nlibrary_name: peft\npipeline_tag: text-classification\ntags:\n- condlora\n- transformers\nmetrics:\n- accuracy\n- f1\n- matthews_correlation\n---\n/,
    )
    assert.match(
      card,
      /\n---\n\n# CondLoRA on tiny\n\nMethod: CondLoRA; rank 8, alpha 8, 6 steps, learning rate 0\.01, seed 42\.\n\nClasses, by number: ham, spam\.\n/,
    )
    assert.match(card, /\| loss \| \d\.\d+ \|\n\| accuracy \| [01](\.\d+)? \|\n/)
    const converted = await condlora(['convert', 'run', '--to', 'lora', '--output', 'lora', '--json'], { cwd })
    assert.is(converted.code, 0, converted.err)
    const told = JSON.parse(converted.out)
    assert.equal([told.from, told.to, told.texts], ['CONDLORA', 'LORA', 6])
    assert.ok(told.largestLogit > 0.01 && told.largestDifference < 1e-5, converted.out)
    assert.equal(readdirSync(join(cwd, 'lora')).sort(), ['adapter_config.json', 'adapter_model.safetensors', 'id2label.json'])
    const config = readJson(cwd, 'lora/adapter_config.json')
    assert.equal([config.peft_type, config.r, config.base_model_name_or_path], ['LORA', 8, 'tiny'])
    const wanted = [0, 1].flatMap((layer) =>
      ['query', 'value'].flatMap((kind) =>
        ['A', 'B'].map((side) => `base_model.model.roberta.encoder.layer.${layer}.attention.self.${kind}.lora_${side}.weight`),
      ),
    )
    const names = [...(await openSafetensors(openFolder(join(cwd, 'lora')), 'adapter_model.safetensors')).keys()]
    assert.equal(names.filter((name) => !name.includes('classifier')).sort(), wanted)

    await writeAsAuthors(join(cwd, 'run/adapter'), join(cwd, 'theirs'))
    const theirs = await condlora(['convert', 'theirs', '--to', 'lora', '--model', 'tiny', '--labels', 'ham,spam', '--output', 'two'], {
      cwd,
    })
    assert.is(theirs.code, 0, theirs.err)
    const bytes = (folder: string) => readFileSync(join(cwd, folder, 'adapter_model.safetensors'))
    assert.ok(bytes('two').equals(bytes('lora')))
    assert.equal(readJson(cwd, 'two/adapter_config.json').base_model_name_or_path, 'tiny')

    const head = await condlora([...trainArgs, '--method', 'head', '--steps', '1', '--output', 'head'], { cwd })
    assert.is(head.code, 0, head.err)
    for (const [args, code, message] of [
      [['head', '--to', 'lora', '--output', 'three'], 1, /head\/adapter: the method HEAD has no form as plain LoRA; condlora merge takes/],
      [['theirs', '--to', 'lora', '--output', 'three'], 2, /--model: is missing: theirs\/adapter_config\.json names no base model/],
      [['run', '--output', 'three'], 2, /required option '--to <form>' not specified/],
      [['run', '--to', 'lora', '--output', 'run/adapter', '--overwrite'], 2, /--output run\/adapter: is what is read/],
    ] as const) {
      const told = await condlora(['convert', ...args], { cwd })
      assert.is(told.code, code, told.err)
      assert.match(told.err, message)
    }
    assert.is(existsSync(join(cwd, 'three')), false)
  }))

/** The adapter as the paper's program would have written it. */
async function writeAsAuthors(from: string, to: string): Promise<void> {
  const stored = await openSafetensors(openFolder(from), 'adapter_model.safetensors')
  const tensors = [...stored].map(async ([name, entry]) => ({
    name: name.replace(/^.*\.(query|value)\.theta_([AB])$/, '$1.linear_for_lora_$2'),
    shape: entry.shape,
    data: await readTensor(entry),
  }))
  const { r, lora_alpha, lora_dropout, target_modules, modules_to_save } = readJson(from, 'adapter_config.json')
  const config = { peft_type: 'ConditionalLORA', r, lora_alpha, lora_dropout, target_modules, modules_to_save }
  await openFolder(to).write('adapter_model.safetensors', writeSafetensors(await Promise.all(tensors)))
  await openFolder(to).write('adapter_config.json', new TextEncoder().encode(JSON.stringify(config)))
}
