import type { KernelTime } from '../gpu'
import { type Profiler, startProfiler } from '../gpu/profiler'
import type { Trainer } from '../train'
import { isStep } from '../train/program'
import type { RunFolder } from './run_folder'

/** `train --profile`: the kernels of all training steps; evaluations are in the trace alone. */
export class StepProfile {
  table = ''
  #profiler: Profiler | null = null
  #steps = 0

  constructor(trainer: Trainer) {
    // Told anew after a lost device was replaced.
    trainer.on('begin', () => {
      this.#steps = 0
      this.#profiler = startProfiler(trainer.model.device)
    })
    trainer.on('step', () => this.#steps++)
  }

  /** Writes profile.json, a Chrome trace; makes `table` and gives its rows. */
  async write(run: RunFolder): Promise<KernelTime[]> {
    const profile = await this.#profiler?.stop()
    if (!profile || !this.#steps) return []
    run.write('profile.json', JSON.stringify(profile.trace()))
    this.table = [
      `Kernels of a training step (mean of ${this.#steps}), by the clock of ${profile.adapterName}:`,
      profile.table(isStep, this.#steps),
      `trace    ${run.path('profile.json')} (for chrome://tracing or Perfetto)`,
    ].join('\n')
    return profile.kernels(isStep)
  }
}
