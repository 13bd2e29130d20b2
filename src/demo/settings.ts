import reference from './reference.json' with { type: 'json' }

export type MethodName = 'head' | 'lora' | 'condlora'

/** How a demo trains, and what PyTorch got with the same settings. */
export interface Settings {
  steps: number
  batch: number
  length: number
  /** Rows of the test split. */
  test: number
  learningRate: Record<MethodName, number>
  pytorch: Record<MethodName, { accuracy: number; f1: number }>
}

export const methods: Record<MethodName, { label: string; peftType: 'HEAD' | 'LORA' | 'CONDLORA' }> = {
  head: { label: 'head alone', peftType: 'HEAD' },
  lora: { label: 'LoRA', peftType: 'LORA' },
  condlora: { label: 'CondLoRA', peftType: 'CONDLORA' },
}

/** A run of at most four minutes on SwiftShader with two cores, or (`full`) enough steps to tell the methods apart. */
export const settings = (full: boolean): Settings => (full ? reference.full : reference.short)
