import type { PeftConfig } from '../peft'

/** What `--method` names. */
interface Method {
  /** In tables. */
  title: string
  /** What PEFT calls it. */
  config: PeftConfig
  /** The flags that say something with it, and PEFT's keys for them. */
  flags: Record<string, string>
  /** Where the command's own default would be far off. */
  learningRate?: number
}

const lowRank = { rank: 'r', alpha: 'loraAlpha', dropout: 'loraDropout', targetModules: 'targetModules' }

/** Every method of the command, in the order of tables. A new one is a line here, and its own options in flags.ts. */
export const methods = {
  head: { title: 'head only', config: { peftType: 'HEAD' }, flags: {} },
  bitfit: { title: 'BitFit', config: { peftType: 'BITFIT' }, flags: {} },
  lora: { title: 'LoRA', config: { peftType: 'LORA' }, flags: lowRank },
  dora: { title: 'DoRA', config: { peftType: 'LORA', useDora: true }, flags: lowRank },
  rslora: { title: 'rsLoRA', config: { peftType: 'LORA', useRslora: true }, flags: lowRank },
  pissa: { title: 'PiSSA', config: { peftType: 'LORA', initLoraWeights: 'pissa' }, flags: lowRank },
  'lora-xs': { title: 'LoRA-XS', config: { peftType: 'LORA_XS' }, flags: lowRank },
  vera: {
    title: 'VeRA',
    config: { peftType: 'VERA' },
    flags: { projectionRank: 'r', dropout: 'veraDropout', targetModules: 'targetModules' },
    learningRate: 5e-3,
  },
  fourierft: {
    title: 'FourierFT',
    config: { peftType: 'FOURIERFT' },
    flags: { nFrequency: 'nFrequency', scaling: 'scaling', targetModules: 'targetModules' },
    learningRate: 5e-3,
  },
  condlora: {
    title: 'CondLoRA',
    config: { peftType: 'CONDLORA' },
    flags: { ...lowRank, conversion: 'conversion', dropoutPlacement: 'dropoutPlacement', useX: 'useX', xScaling: 'loraXScaling' },
  },
  full: { title: 'full fine-tuning', config: { peftType: 'FULL' }, flags: {}, learningRate: 2e-5 },
} satisfies Record<string, Method>

export type MethodName = keyof typeof methods

export const methodNames = Object.keys(methods) as MethodName[]
export const methodOf = (name: MethodName = 'condlora'): Method => methods[name]
