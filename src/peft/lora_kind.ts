import { Lora, loraSchema } from './lora'
import type { Kind } from './method'
import { findTargets } from './targets'

/** LoRA, and what else PEFT's LoraConfig makes of it. */
export const lora: Kind<typeof loraSchema> = {
  schema: loraSchema,
  written: async () => (await import('./written_defaults')).loraDefaults,
  unwritten: ['loraplusLrRatio', 'freezeA'],
  create: async (model, config, seed) => {
    const pissa = `${config.initLoraWeights}`.startsWith('pissa')
    if (pissa && config.useDora) throw new TypeError('peft config: useDora: not together with initLoraWeights pissa')
    const Made = config.useDora ? (await import('./dora')).Dora : pissa ? (await import('./pissa')).Pissa : Lora
    return new Made(config, await findTargets(model, config), seed)
  },
}
