import type { PeftConfig } from '../../src/peft'

/** A method as it is tried: everything else follows from its configuration. */
export interface Case {
  name: string
  config: PeftConfig
  /** It has a form as plain LoRA, which peft reads. */
  toLora?: boolean
  /** No weight holds it. */
  unmergeable?: boolean
}

const query = ['query', 'value']
const lora = (options: Omit<Extract<PeftConfig, { peftType: 'LORA' }>, 'peftType'> = {}): PeftConfig => ({
  peftType: 'LORA',
  r: 4,
  loraAlpha: 8,
  targetModules: query,
  ...options,
})

export const cases: Case[] = [
  { name: 'LoRA', config: lora() },
  { name: 'rsLoRA', config: lora({ useRslora: true, initLoraWeights: 'gaussian' }) },
  {
    name: 'LoRA, patterns',
    config: lora({
      targetModules: ['query', 'key', 'value', 'dense'],
      excludeModules: ['roberta.encoder.layer.2.attention.self.key'],
      layersToTransform: [0, 2, 3],
      layersPattern: ['layer'],
      rankPattern: { 'layer.0.attention.self.query': 2, '^roberta.*intermediate.dense': 6 },
      alphaPattern: { value: 3, 'layer.[23].output.dense': 5 },
    }),
  },
  {
    name: 'LoRA, expression',
    config: lora({ targetModules: '.*layer\\.[13]\\.(attention\\.self\\.(query|value)|output\\.dense)', rankPattern: { value: 7 } }),
  },
  { name: 'LoRA, all-linear', config: lora({ targetModules: 'all-linear' }) },
  { name: 'LoRA, all biases', config: lora({ bias: 'all' }) },
  { name: 'LoRA, its biases', config: lora({ bias: 'lora_only', targetModules: ['query', 'intermediate.dense'] }) },
  { name: 'LoRA, modules saved', config: lora({ modulesToSave: ['LayerNorm', 'intermediate.dense'] }) },
  { name: 'LoRA+', config: lora({ loraplusLrRatio: 4 }) },
  { name: 'LoRA-FA', config: lora({ freezeA: true }) },
  { name: 'DoRA', config: lora({ useDora: true }) },
  { name: 'DoRA, rs, all-linear', config: lora({ useDora: true, useRslora: true, targetModules: 'all-linear' }) },
  { name: 'PiSSA', config: lora({ initLoraWeights: 'pissa', targetModules: ['query', 'intermediate.dense'] }), toLora: true },
  { name: 'VeRA', config: { peftType: 'VERA', r: 32, targetModules: ['query', 'intermediate.dense'], projectionPrngKey: 7 } },
  {
    name: 'VeRA, not saved',
    config: { peftType: 'VERA', r: 32, targetModules: ['value', 'output.dense'], projectionPrngKey: 5, saveProjection: false },
  },
  { name: 'VeRA, its biases', config: { peftType: 'VERA', r: 24, targetModules: query, bias: 'vera_only', dInitial: 0.3 } },
  {
    name: 'FourierFT',
    config: { peftType: 'FOURIERFT', nFrequency: 60, scaling: 50, randomLocSeed: 9, targetModules: ['query', 'intermediate.dense'] },
  },
  { name: 'LoRA-XS', config: { peftType: 'LORA_XS', r: 6, targetModules: ['query', 'output.dense'] }, toLora: true },
  { name: 'CondLoRA', config: { peftType: 'CONDLORA', r: 4, targetModules: query }, toLora: true },
  {
    name: 'CondLoRA, rectangular',
    config: { peftType: 'CONDLORA', r: 4, conversion: 'rectangular', targetModules: ['query', 'value', 'intermediate.dense'] },
    toLora: true,
  },
  { name: 'CondLoRA, type1', config: { peftType: 'CONDLORA', r: 4, targetModules: query, useX: 'type1' }, toLora: true },
  { name: 'CondLoRA, type2', config: { peftType: 'CONDLORA', r: 4, targetModules: query, useX: 'type2' }, unmergeable: true },
  { name: 'head', config: { peftType: 'HEAD' } },
  { name: 'BitFit', config: { peftType: 'BITFIT' } },
  { name: 'full', config: { peftType: 'FULL' } },
]
