import activation from '../../shaders/activation.wgsl'
import adamw from '../../shaders/adamw.wgsl'
import broadcast from '../../shaders/broadcast.wgsl'
import crossEntropy from '../../shaders/cross_entropy.wgsl'
import dropout from '../../shaders/dropout.wgsl'
import elementwise from '../../shaders/elementwise.wgsl'
import embedding from '../../shaders/embedding.wgsl'
import firstToken from '../../shaders/first_token.wgsl'
import layernorm from '../../shaders/layernorm.wgsl'
import matmul from '../../shaders/matmul.wgsl'
import matmulBlocks from '../../shaders/matmul_blocks.wgsl'
import matmulDirect from '../../shaders/matmul_direct.wgsl'
import matmulLanes from '../../shaders/matmul_lanes.wgsl'
import matmulPlain from '../../shaders/matmul_plain.wgsl'
import mse from '../../shaders/mse.wgsl'
import reduce from '../../shaders/reduce.wgsl'
import rowNorm from '../../shaders/row_norm.wgsl'
import softmax from '../../shaders/softmax.wgsl'

/** Every kernel file by name; test/node/shaders.test.ts compares the list with the folder. */
export const shaders: Record<string, string> = {
  activation,
  adamw,
  broadcast,
  cross_entropy: crossEntropy,
  dropout,
  elementwise,
  embedding,
  first_token: firstToken,
  layernorm,
  matmul,
  matmul_blocks: matmulBlocks,
  matmul_direct: matmulDirect,
  matmul_lanes: matmulLanes,
  matmul_plain: matmulPlain,
  mse,
  reduce,
  row_norm: rowNorm,
  softmax,
}
