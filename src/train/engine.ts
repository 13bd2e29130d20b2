import type { CallablePeftModel } from '../peft'
import { AdamW } from './adamw'
import type { ResolvedArguments } from './arguments'
import { TrainingProgram } from './program'

/** A model and what trains it, on one device. When that is lost, there is a new engine on another one. */
export class Engine {
  readonly optimizer: AdamW
  readonly program: TrainingProgram

  constructor(
    readonly model: CallablePeftModel,
    args: ResolvedArguments,
  ) {
    const { values, gradients, ranges } = model.parameters
    const { weightDecay, adamBeta1: beta1, adamBeta2: beta2, adamEpsilon: eps, maxGradNorm } = args
    const groups = ranges.map(({ noDecay, ...range }) => ({ values, gradients, ...range, weightDecay: noDecay ? 0 : weightDecay }))
    this.optimizer = new AdamW(model.device, groups, {
      ...{ beta1, beta2, eps, maxGradNorm, hold: true },
      scaled: model.base.dtype === 'fp16',
    })
    this.program = new TrainingProgram(model, this.optimizer, {
      seed: args.seed,
      checkpointing: args.gradientCheckpointing,
      timeoutMs: args.stepTimeoutMs,
    })
  }

  /** Ready for a first step: no moments, no refused step, dropout from its beginning. */
  reset(): void {
    this.optimizer.reset()
    this.program.microSteps = 0
    this.program.setLossSum(0)
    this.program.changed()
  }

  dispose(): void {
    this.program.dispose()
    this.optimizer.dispose()
  }
}
