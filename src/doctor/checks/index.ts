import type { Check } from '../check'
import { attention } from './attention'
import { activation, broadcast, dropout, elementwise, firstToken, mse } from './pointwise'
import { matmul, matmulBlocks, matmulDirect, matmulLanes, matmulPlain, matmulSum, matmulThin } from './products'
import { crossEntropy, layernorm, rowNorm, softmax } from './rows'
import { adamw, embedding, lossScale, reduce } from './sums'
import { matmulUnits } from './units'

/** The checks of each file in shaders/, one for each of its entry points. The build compares them with the folder. */
export const checks: Record<string, Check[]> = {
  activation: [activation],
  adamw: [adamw],
  attention: [attention],
  broadcast: [broadcast],
  cross_entropy: [crossEntropy],
  dropout: [dropout],
  elementwise: [elementwise],
  embedding: [embedding],
  first_token: [firstToken],
  layernorm: [layernorm],
  loss_scale: [lossScale],
  matmul: [matmul],
  matmul_blocks: [matmulBlocks],
  matmul_direct: [matmulDirect],
  matmul_lanes: [matmulLanes],
  matmul_thin: [matmulThin],
  matmul_plain: [matmulPlain],
  matmul_sum: [matmulSum],
  matmul_units: [matmulUnits],
  mse: [mse],
  reduce: [reduce],
  row_norm: [rowNorm],
  softmax: [softmax],
}
