import type { Recipe } from '../../src/cli/reproduce/recipe'

/** As the recipes that come with the command. */
export const rte: Recipe = {
  ...{ name: 'rte', title: 'RTE', metric: 'accuracy', seeds: 3, notes: [] },
  search: { low: 1e-4, high: 1e-2, trials: 4 },
  settings: {
    ...{ model: 'm', perDeviceTrainBatchSize: 16, numTrainEpochs: 10, rank: 4, dropout: 0.1, conversion: 'code' },
    ...{ evalStrategy: 'epoch', earlyStoppingPatience: 3, loadBestModelAtEnd: true },
  },
  learningRates: { lora: 0.002 },
  reported: { by: 'the paper', lora: 74.3, condlora: 74.2 },
}
