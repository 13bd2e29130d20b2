import { Presets, SingleBar } from 'cli-progress'
import pc from 'picocolors'
import type { Trainer } from '../train'
import type { FirstStepEvent, LogEvent } from '../train/trainer_types'

const every = 10_000

/** Shows on stderr how training goes: a bar on a terminal, elsewhere a plain line about every ten seconds. */
export function showProgress(trainer: Trainer, say: (line: string) => void, { milestones = true } = {}): () => void {
  const view = process.stderr.isTTY ? new Bar() : new Lines(say)
  // Once: after a lost device the process is older than what is told.
  const first = trainer.on('firstStep', (event) => {
    first()
    if (milestones) view.above(pc.dim(firstStepText(performance.now() / 1000, event)))
  })
  const ends = [
    trainer.on('step', ({ step, totalSteps }) => view.step(step, totalSteps)),
    trainer.on('log', (event) => view.log(event)),
    trainer.on('progress', ({ task, done, total }) => view.task(task, done, total)),
    first,
    trainer.on('evaluate', ({ step, ...metrics }) => milestones && view.above(`step ${step}: ${metricsText(metrics)}`)),
    trainer.on('checkpoint', ({ folder }) => milestones && view.above(pc.dim(`checkpoint ${folder}`))),
  ]
  return () => {
    for (const end of ends) end()
    view.stop()
  }
}

/** `evalLoss 0.4123  evalAccuracy 0.8650`, without the times. */
export function metricsText(metrics: Record<string, number>): string {
  return Object.entries(metrics)
    .filter(([key]) => !/(runtime|samplesPerSecond)$/i.test(key))
    .map(([key, value]) => `${key} ${value.toFixed(4)}`)
    .join('  ')
}

/** `first step after 2.6 s: 33 pipelines in 1.1 s, self-test 0.0 s (known), tuning 0.0 s`, from the start of the process. */
function firstStepText(after: number, { pipelines, compileSeconds, selfTested, selfTestSeconds, tuneSeconds }: FirstStepEvent): string {
  const s = (seconds: number) => `${seconds.toFixed(1)} s`
  const checked = selfTested ? `${selfTested} kernels` : 'known'
  return `first step after ${s(after)}: ${pipelines} pipelines in ${s(compileSeconds)}, self-test ${s(selfTestSeconds)} (${checked}), tuning ${s(tuneSeconds)}`
}

export function duration(seconds: number): string {
  if (!Number.isFinite(seconds)) return '–'
  const s = Math.round(seconds)
  const two = (n: number) => String(n).padStart(2, '0')
  return s < 3600 ? `${Math.floor(s / 60)}:${two(s % 60)}` : `${Math.floor(s / 3600)}:${two(Math.floor((s % 3600) / 60))}:${two(s % 60)}`
}

function logText({ loss, learningRate, samplesPerSecond, eta }: LogEvent): string {
  return `${duration(eta)} left  loss ${loss.toFixed(4)}  lr ${learningRate.toPrecision(3)}  ${samplesPerSecond.toFixed(1)} samples/s`
}

class Bar {
  #bar: SingleBar | null = null
  #of = ''
  #numbers = ''

  step(done: number, total: number): void {
    this.#show('training', done, total, this.#numbers)
    if (done === total) this.stop()
  }

  /** The numbers come later than their step. */
  log(event: LogEvent): void {
    this.#numbers = logText(event)
    if (event.step < event.totalSteps) this.step(event.step, event.totalSteps)
  }

  task(task: string, done: number, total: number): void {
    this.#show(task, done, total, '')
    if (done === total) this.stop()
  }

  above(line: string): void {
    this.stop()
    process.stderr.write(`${line}\n`)
  }

  stop(): void {
    this.#bar?.stop()
    this.#bar = null
  }

  #show(what: string, done: number, total: number, note: string): void {
    if (this.#of !== what) this.stop()
    this.#of = what
    if (!this.#bar) {
      const format = `${pc.bold(what.padEnd(8))} {bar} {value}/{total}  {note}`
      this.#bar = new SingleBar(
        { format, stream: process.stderr, clearOnComplete: true, hideCursor: true, barsize: 12 },
        Presets.shades_classic,
      )
      this.#bar.start(total, done, { note })
    } else {
      this.#bar.setTotal(total)
      this.#bar.update(done, { note })
    }
  }
}

class Lines {
  #last = performance.now()

  constructor(private readonly say: (line: string) => void) {}

  step(): void {}

  log(event: LogEvent): void {
    if (this.#due() || event.step === event.totalSteps) this.say(`step ${event.step}/${event.totalSteps}  ${logText(event)}`)
  }

  task(task: string, done: number, total: number): void {
    if (this.#due()) this.say(`${task} ${done}/${total}`)
  }

  above(line: string): void {
    this.say(line)
  }

  stop(): void {}

  #due(): boolean {
    const now = performance.now()
    if (now - this.#last < every) return false
    this.#last = now
    return true
  }
}

/** Shows how many of a list are done: a bar on a terminal, elsewhere lines. */
export function showCount(task: string, total: number, say: (line: string) => void): (done: number) => void {
  const view = process.stderr.isTTY ? new Bar() : new Lines(say)
  return (done) => view.task(task, done, total)
}
