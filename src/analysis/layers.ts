import { Matrix } from 'ml-matrix'
import type { Tensor } from '../graph'
import type { CallablePeftModel } from '../peft'
import { roleOf } from '../peft/targets'

/** An adapted layer in float64: W [out, in] frozen, A [r, in], B [out, r]. */
export interface AdaptedLayer {
  /** `attention.self.query` */
  kind: string
  /** Its number in the model. */
  layer: number
  path: string
  W: Matrix
  A: Matrix
  B: Matrix
}

/** Frozen weights and low-rank factors of an adapter, whatever it is trained by. @throws Error where it has none */
export async function adaptedLayers({ base, method, parameters }: CallablePeftModel): Promise<AdaptedLayer[]> {
  const weights = new Map(base.encoder.linears().map(({ name, weight }) => [name, weight]))
  const factors = await method.asLora?.(parameters)
  if (!factors?.length) throw new Error('the adapter has no low-rank matrices to look at: it trains the head alone')
  const layers: AdaptedLayer[] = []
  for (const { path, A, B } of factors) {
    const layer = Number(/\.(\d+)\./.exec(path)?.[1] ?? 0)
    const W = await matrix(weights.get(path) as Tensor)
    layers.push({ kind: roleOf(path), layer, path, W, A: await matrix(A), B: await matrix(B) })
  }
  return layers
}

async function matrix(tensor: Tensor): Promise<Matrix> {
  const [rows, columns] = tensor.shape
  return Matrix.from1DArray(rows, columns, Array.from(await tensor.data()))
}
