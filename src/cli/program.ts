import { Command, Option } from 'commander'
import type { AnalyzeOptions } from './analyze'
import type { DoctorOptions } from './doctor'
import type { EvaluateOptions } from './evaluate'
import { addCommon, addFlags, computeFlags, dataFlags, deviceFlags, methodFlags, planFlags, runFlags, trainerFlags } from './flags'
import type { InfoOptions } from './info'
import { names, natural, positive, reader } from './kinds'
import type { MergeOptions } from './merge'
import { methodNames } from './methods'
import type { PredictOptions } from './predict'
import type { ReproduceOptions } from './reproduce'
import type { TrainOptions } from './train'
import { version } from './version'

const examples = (...lines: string[]) => `\nExamples:\n${lines.map((line) => `  $ condlora ${line}`).join('\n')}\n`

// What a command needs is loaded when it runs: help and mistakes answer at once.
function addInfo(program: Command): void {
  const command = program.command('info').summary('which GPUs are here, what they have; what a training step will be')
  command.description('Lists the WebGPU adapters of this machine: driver, features, limits. With --plan, what a training step is made of.')
  addFlags(command, 'Device:', { adapter: deviceFlags.adapter, software: deviceFlags.software })
  const heading = 'Plan:'
  command.addOption(
    new Option('--plan <model>', 'dispatches, operations, bytes and memory of a step of this model, before it runs').helpGroup(heading),
  )
  addFlags(command, heading, planFlags)
  addCommon(command)
    .addHelpText(
      'after',
      examples('info', 'info --json', 'info --adapter nvidia', 'info --plan models/roberta-base --method lora --batch-size 16'),
    )
    .action(async (options: InfoOptions) => (await import('./info')).info(options))
}

function addDoctor(program: Command): void {
  const command = program.command('doctor').summary('check that this GPU computes right')
  command.description('Runs every kernel, forward and backward, on odd shapes and compares with the processor in float64.')
  command.addOption(new Option('--short', 'only the kernels for this kind of device'))
  addFlags(command, 'Device:', { adapter: deviceFlags.adapter, software: deviceFlags.software, experimental: deviceFlags.experimental })
  addCommon(command)
    .addHelpText('after', examples('doctor', 'doctor --json > report.json', 'doctor --adapter nvidia'))
    .action(async (options: DoctorOptions) => (await import('./doctor')).doctor(options))
}

function addTrain(program: Command): void {
  const command = program.command('train').summary('train an adapter on a file of labelled texts')
  command.description('Trains an adapter (CondLoRA, LoRA, …), a classification head alone or the whole model on labelled texts.')
  addFlags(command, 'Run:', runFlags)
  command
    .addOption(new Option('--resume <run>', 'go on with a run from its newest checkpoint').helpGroup('Run:'))
    .addOption(new Option('--config <file>', 'settings as JSON, named as these flags in camelCase; flags win').helpGroup('Run:'))
    .addOption(new Option('--overwrite', 'replace the run in --output').helpGroup('Run:'))
    .addOption(new Option('--profile', 'time each kernel: a table at the end, profile.json (a Chrome trace) in the run').helpGroup('Run:'))
  addFlags(command, 'Data:', dataFlags)
  addFlags(command, 'Adapter:', methodFlags)
  addFlags(command, 'Training:', trainerFlags)
  addFlags(command, 'Device:', computeFlags)
  addCommon(command)
    .addHelpText(
      'after',
      examples(
        'train --model FacebookAI/roberta-base --train train.csv --validation dev.csv --output run',
        'train --model models/roberta-base --data sst2 --text sentence --method lora --rank 16 --epochs 5 --output run-lora',
        'train --model FacebookAI/roberta-base --task rte --split paper --epochs 10 --output run-rte',
        'train --config run/config.json --seed 2 --output run-2',
        'train --resume run',
      ),
    )
    .action(async (options: TrainOptions) => (await import('./train')).train(options))
}

/** What names a trained adapter. */
function addSource(command: Command): Command {
  const heading = 'Adapter:'
  return command
    .addOption(new Option('--model <folder>', 'base model, where there is no run').helpGroup(heading))
    .addOption(new Option('--adapter-folder <folder>', "an adapter on it, e.g. PEFT's").helpGroup(heading))
    .addOption(new Option('--labels <a,b,…>', 'class names in the order of their numbers').argParser(reader(names)).helpGroup(heading))
}

function addEvaluate(program: Command): void {
  const command = program.command('evaluate').argument('[run]', 'folder of a run').summary('measure a trained adapter')
  command.description("Loss and metrics of a trained adapter on labelled rows (default: the run's validation data).")
  addSource(command)
  const { format, text, textPair, label } = dataFlags
  command.addOption(new Option('--data <file>', 'rows to evaluate on').helpGroup('Data:'))
  command.addOption(new Option('--on <split>', 'a split of the GLUE task that the run is on, e.g. test').helpGroup('Data:'))
  addFlags(command, 'Data:', { format, text, textPair, label })
  const { perDeviceEvalBatchSize, maxLength } = trainerFlags
  addFlags(command, 'Data:', { perDeviceEvalBatchSize, maxLength })
  addFlags(command, 'Device:', computeFlags)
  addCommon(command)
    .addHelpText(
      'after',
      examples(
        'evaluate run',
        'evaluate run --data test.csv --json',
        'evaluate --model models/roberta-base --adapter-folder peft --data test.csv',
      ),
    )
    .action(async (run: string | undefined, options: EvaluateOptions) => (await import('./evaluate')).evaluate(run, options))
}

function addPredict(program: Command): void {
  const command = program.command('predict').argument('[words...]', 'folder of a run, then texts').summary('classify texts')
  command.usage('[options] RUN [texts…]')
  command.description('Label and score of texts: from the command line, a file, or stdin (one a line).')
  addSource(command)
  const heading = 'Texts:'
  command
    .addOption(new Option('--file <file>', 'texts, one a line; or a .csv, .tsv, .jsonl or .parquet').helpGroup(heading))
    .addOption(new Option('--pairs', 'texts come in twos: two arguments, or two cells with a tab between').helpGroup(heading))
  addFlags(command, heading, { text: dataFlags.text, textPair: dataFlags.textPair })
  addFlags(command, 'Device:', computeFlags)
  addCommon(command)
    .addHelpText(
      'after',
      examples('predict run "You won a prize!"', 'predict run --file texts.txt --json', 'cut -f2 mails.tsv | condlora predict run'),
    )
    .action(async (words: string[], options: PredictOptions) => (await import('./predict')).predict(words, options))
}

/** What a command that writes another folder of an adapter is given. */
function addRewritten(command: Command, output: string): Command {
  const { text, textPair } = dataFlags
  const heading = 'Sample:'
  command
    .argument('<source>', 'folder of a run or of an adapter')
    .addOption(new Option('--output <folder>', output).helpGroup('Output:'))
    .addOption(new Option('--overwrite', 'replace what this command wrote there').helpGroup('Output:'))
    .addOption(new Option('--model <folder or name>', 'base model (default: the one that run or adapter name)').helpGroup('Adapter:'))
    .addOption(new Option('--labels <a,b,…>', 'class names in the order of their numbers').argParser(reader(names)).helpGroup('Adapter:'))
    .addOption(new Option('--data <file>', 'compare logits on its first 32 rows (default: on a few sentences)').helpGroup(heading))
  addFlags(command, heading, { text, textPair })
  addFlags(command, 'Device:', deviceFlags)
  return addCommon(command).usage('[options] RUN_OR_ADAPTER')
}

function addMerge(program: Command): void {
  const command = program.command('merge').summary('write a model with the adapter in its weights')
  command.description(
    'Writes a Hugging Face folder with the adapter merged into the weights, reads it back, and tells how far its logits are from those of base and adapter.',
  )
  addRewritten(command, 'the model: config.json, model.safetensors, tokenizer files')
    .addHelpText(
      'after',
      examples('merge run --output merged', 'merge adapter --model FacebookAI/roberta-base --output merged --data dev.csv'),
    )
    .action(async (source: string, options: MergeOptions) => (await import('./merge')).merge(source, options))
}

function addConvert(program: Command): void {
  const command = program.command('convert').summary('write an adapter as plain LoRA, which PEFT reads')
  command.description(
    "Writes an adapter in another form: a CondLoRA one, this program's or that of the paper's authors, as LoRA of each layer. Tells how far the logits are apart.",
  )
  command.addOption(new Option('--to <form>', 'lora: plain LoRA, as PEFT writes it').choices(['lora']).makeOptionMandatory())
  addRewritten(command, 'the adapter: adapter_config.json, adapter_model.safetensors')
    .addHelpText(
      'after',
      examples('convert run --to lora --output lora', 'convert theirs --to lora --model FacebookAI/roberta-base --output lora'),
    )
    .action(async (source: string, options: MergeOptions) => (await import('./convert')).convert(source, options))
}

function addAnalyze(program: Command): void {
  const group = program.command('analyze').summary("the paper's analysis of trained adapters")
  const options = (command: Command, defaultFolder: string) => {
    const heading = 'Analysis:'
    command
      .addOption(
        new Option('-i <n>', 'singular vectors of the first matrix (default: the rank)').argParser(reader(positive)).helpGroup(heading),
      )
      .addOption(new Option('--seed <n>', 'of the random matrices beside them (default: 42)').argParser(reader(natural)).helpGroup(heading))
      .addOption(new Option('--output <folder>', `where the report goes (default: ${defaultFolder})`).helpGroup(heading))
    addFlags(command, 'Device:', deviceFlags)
    return addCommon(command)
  }
  const conversion = group
    .command('conversion')
    .argument('<run>', 'folder of a run')
    .summary('how alike the layers are in what leads from W0 to the adapter')
    .description('Similarity φ of the conversion matrices W0⁻¹Aᵀ, W0⁻¹B and W0⁻¹BA over all pairs of layers (figure 1 of the paper).')
    .addOption(
      new Option('-j <n>', 'singular vectors of the second matrix (default: i)').argParser(reader(positive)).helpGroup('Analysis:'),
    )
    .addOption(
      new Option('--side <side>', 'left or right singular vectors').choices(['left', 'right']).default('left').helpGroup('Analysis:'),
    )
  options(conversion, 'RUN/analysis')
    .addHelpText('after', examples('analyze conversion run-lora', 'analyze conversion run-lora --side right -i 4 -j 8 --json'))
    .action(async (run: string, given: AnalyzeOptions) => (await import('./analyze')).analyzeConversion(run, given))
  const similarity = group
    .command('similarity')
    .argument('<run>', 'folder of a run, e.g. of LoRA')
    .argument('<other>', 'folder of another on the same base, e.g. of CondLoRA')
    .summary('how alike two adapters of one base are')
    .description('Similarity φ of A, B and ΔW of two adapters, layer by layer (table 3 of the paper).')
  options(similarity, 'RUN/analysis')
    .addHelpText('after', examples('analyze similarity run-lora run-condlora'))
    .action(async (run: string, other: string, given: AnalyzeOptions) => (await import('./analyze')).analyzeSimilarity(run, other, given))
}

function addReproduce(program: Command): void {
  const command = program.command('reproduce').argument('[tasks...]', 'recipes: GLUE tasks by name, or spam')
  command.summary("the paper's experiment: tasks × methods × seeds")
  command.usage('[options] TASK…')
  command.description(
    "Trains each method on each task with several seeds, by the paper's split, metrics and hyperparameters, and sets the results beside the paper's.\nTasks: mnli, sst2, mrpc, cola, qnli, qqp, rte, stsb, wnli, spam.",
  )
  const heading = 'Experiment:'
  const number = (flags: string, help: string, kind: typeof positive) =>
    command.addOption(new Option(flags, help).argParser(reader(kind)).helpGroup(heading))
  command
    .addOption(new Option('--recipe <file>', 'a task of your own, as JSON like those in dist/cli/recipes').helpGroup(heading))
    .addOption(
      new Option('--methods <a,b,…>', `some of ${methodNames.join(', ')} (default: head, lora, condlora, full)`)
        .argParser(reader(names))
        .helpGroup(heading),
    )
  number('--seeds <n>', "runs of each method (default: the recipe's)", positive)
  number('--trials <n>', "learning rates to try for every method; 0: the recipe's own (default: a search where it has none)", natural)
  command
    .addOption(new Option('--output <folder>', 'a folder for each run, results.json, table.md, figure.svg').helpGroup(heading))
    .addOption(new Option('--plan', 'tell runs, steps and what they will take on this machine, and stop').helpGroup(heading))
  addFlags(command, heading, { model: runFlags.model, data: dataFlags.data })
  addFlags(command, 'Device:', deviceFlags)
  addCommon(command)
    .addHelpText(
      'after',
      examples(
        'reproduce rte --plan',
        'reproduce rte mrpc --output paper',
        'reproduce spam --data spam --methods lora,condlora --seeds 5 --trials 8',
      ),
    )
    .action(async (tasks: string[], options: ReproduceOptions) => (await import('./reproduce')).reproduce(tasks, options))
}

/** Commander looks for a mistyped flag among the long names alone: `--epoch` is near to `--epochs`. */
function shortNameHint(line: string): string {
  const [, typed] = /unknown option '(--[\w-]{3,})'$/.exec(line) ?? []
  const near = ({ alias = '' }) => alias.startsWith(typed) || typed.startsWith(alias)
  const found = typed && Object.values<{ alias?: string }>(trainerFlags).find((flag) => flag.alias && near(flag))
  return found ? ` (Did you mean ${found.alias}?)` : ''
}

/** The commands, in the order of the help: a new one is added here. */
const commands = [addInfo, addDoctor, addTrain, addEvaluate, addPredict, addMerge, addConvert, addAnalyze, addReproduce]

export function createProgram(): Command {
  const program = new Command('condlora')
    .description('Fine-tunes pretrained transformers with tiny adapters (LoRA, CondLoRA) on any WebGPU device.')
    .version(version)
    .exitOverride()
    .configureOutput({
      // One line for each mistake.
      outputError: (message, write) => {
        const line = message
          .replace(/^error: /, '')
          .trimEnd()
          .replaceAll('\n', ' ')
        write(`condlora: ${line}${shortNameHint(line)}\n`)
      },
    })
    .showHelpAfterError(false)
    .addHelpText(
      'after',
      `${examples('train --model models/roberta-base --train train.csv --validation dev.csv --output run', 'evaluate run --data test.csv', 'predict run "You won a prize!"')}
condlora help COMMAND tells each command's options. Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted.`,
    )
  for (const add of commands) add(program)
  return program
}
