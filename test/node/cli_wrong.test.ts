import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { assert, test } from '../harness'
import { condlora, inFolder, trainArgs } from './command'

const output = ['--output', 'run']

/** Command line, exit code, what the one line on stderr says. */
const wrong: [args: string[], code: number, message: RegExp][] = [
  [['trian'], 2, /unknown command 'trian' \(Did you mean train\?\)/],
  [['train', '--modle', 'tiny'], 2, /unknown option '--modle' \(Did you mean --model\?\)/],
  [['train', 'tiny'], 2, /too many arguments for 'train'/],
  [[...trainArgs], 2, /--output: is missing/],
  [[...trainArgs, ...output, '--rank', '0'], 2, /--rank <n>' argument '0' is invalid\. Wanted a whole number above 0/],
  [[...trainArgs, ...output, '--lr', 'fast'], 2, /argument 'fast' is invalid\. Wanted a number from 0/],
  [[...trainArgs, ...output, '--memory-limit', '2 potatoes'], 2, /Wanted a number of bytes such as 800MB/],
  [[...trainArgs, ...output, '--method', 'ia3'], 2, /Wanted one of head, bitfit, lora, dora, .*, full/],
  [[...trainArgs, ...output, '--method', 'head', '--rank', '4'], 2, /--rank: says nothing with the method head/],
  [
    [...trainArgs, ...output, '--method', 'vera', '--rank', '4'],
    2,
    /--rank: is no option of the method vera, which has --projection-rank, /,
  ],
  [[...trainArgs, ...output, '--x-scaling', '0.3'], 2, /--x-scaling: says nothing without --use-x type1 or type2/],
  [[...trainArgs, ...output, '--n-frequency', '4'], 2, /--n-frequency: is no option of the method condlora/],
  [
    [...trainArgs, ...output, '--method', 'lora', '--conversion', 'code'],
    2,
    /--conversion: is no option of the method lora, which has --rank, --alpha, --dropout, --target-modules/,
  ],
  [[...trainArgs, ...output, '--data', 'folder'], 2, /--data: is a folder that holds both/],
  [[...trainArgs, ...output, '--num-labels', '1'], 2, /--num-labels: the data has the label 1, so at least 2/],
  [[...trainArgs, ...output, '--config', 'bad_key.json'], 2, /bad_key\.json: .*"lra"/],
  [[...trainArgs, ...output, '--config', 'bad_rank.json'], 2, /bad_rank\.json: rank: .*0/],
  [[...trainArgs, '--output', 'old'], 2, /a run is there already \(config\.json\); go on with it by --resume old/],
  [[...trainArgs, ...output, '--resume', 'old'], 2, /--output: says nothing with --resume/],
  [
    ['train', '--resume', 'folder'],
    1,
    /folder: this is no run of condlora train: it has no config\.json; an adapter alone is given by --model/,
  ],
  [
    ['train', '--model', 'tiny', '--train', 'train.csv', '--early-stopping-patience', '2', ...output],
    2,
    /--early-stopping-patience wants data/,
  ],
  [['train', '--model', 'tiny', '--train', 'gone.csv', ...output], 1, /gone\.csv: there is no such file/],
  [['train', '--model', 'tiny', '--train', 'train.txt', ...output], 2, /--format: wanted one of csv, .* train\.txt/],
  [
    [...trainArgs, ...output, '--text', 'body'],
    1,
    /train\.csv: the column "body" is not there; the file has "text", "label": name it by --text/,
  ],
  [[...trainArgs, '--output', 'train.csv/run'], 1, /--output train\.csv\/run: cannot be written: .*train\.csv is a file/],
  [['train', '--model', 'nowhere', '--train', 'train.csv', ...output], 1, /there is no folder "nowhere", and the hub gave nothing: /],
  [[...trainArgs, ...output, '--epoch', '2'], 2, /unknown option '--epoch' \(Did you mean --epochs\?\)/],
  [['evaluate'], 2, /wanted the folder of a run, or --model and --adapter-folder/],
  [['evaluate', 'old', '--model', 'tiny'], 2, /--model: the run old names its own/],
  [['predict', 'folder', 'some text'], 1, /folder: this is no run of condlora train/],
  [['predict', 'old', '--pairs', 'a', 'b', 'c'], 2, /--pairs: wanted an even number of texts, got 3/],
  [['predict', 'old'], 2, /there is no text to predict/],
]

test('wrong input: one line on stderr that says what, the exit code, and nothing written', () =>
  inFolder(async (cwd) => {
    mkdirSync(join(cwd, 'folder'))
    mkdirSync(join(cwd, 'old'))
    writeFileSync(join(cwd, 'old/config.json'), '{"model":"tiny","train":"train.csv"}')
    writeFileSync(join(cwd, 'bad_key.json'), '{"lra":8}')
    writeFileSync(join(cwd, 'bad_rank.json'), '{"rank":0}')
    const before = readdirSync(cwd, { recursive: true }).sort()
    const results = [...wrong]
    const worker = async () => {
      for (let next = results.shift(); next; next = results.shift()) {
        const [args, code, message] = next
        const result = await condlora(args, { cwd })
        const told = `condlora ${args.join(' ')}: ${result.code} ${result.err}`
        assert.is(result.code, code, told)
        assert.match(result.err, message, told)
        assert.match(result.err, /^condlora: [^\n]+\n$/, told)
        assert.is(result.out, '', told)
      }
    }
    await Promise.all([worker(), worker()])
    assert.equal(readdirSync(cwd, { recursive: true }).sort(), before)
  }))

test('what fails only on the GPU leaves nothing half-written either', () =>
  inFolder(async (cwd) => {
    const target = await condlora([...trainArgs, '--target-modules', 'queri', '--output', 'run', '--quiet'], { cwd })
    assert.is(target.code, 1)
    assert.match(target.err, /^condlora: targetModules: \["queri"\] matches no linear layer; .*query.*\n$/)
    const memory = await condlora([...trainArgs, '--memory-limit', '100kB', '--output', 'deep/run', '--quiet'], { cwd })
    assert.is(memory.code, 1)
    assert.match(memory.err, /^condlora: [^\n]+\n$/)
    assert.not.ok(existsSync(join(cwd, 'run')) || existsSync(join(cwd, 'deep')))
  }))

test('--debug adds the stack', () =>
  inFolder(async (cwd) => {
    const { code, err } = await condlora(['predict', 'nowhere', 'text', '--debug'], { cwd })
    assert.is(code, 1)
    assert.match(err, /nowhere: this is no run.*\n +at /)
  }))
