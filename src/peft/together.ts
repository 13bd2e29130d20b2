import type { Tensor } from '../graph'
import type { Linear } from '../nn/linear'
import type { LinearAdapter, Pass } from '../nn/pass'
import { add } from '../ops/add'
import { linear } from '../ops/linear'
import { sub } from '../ops/sub'
import type { Prepared } from './method'

/** Several adapters at once: what each adds to a layer's output is summed up. */
export function together(all: Prepared[]): Prepared {
  if (all.length === 1) return all[0]
  const lists = new Map<string, LinearAdapter[]>()
  for (const { adapters } of all) for (const [path, adapter] of adapters) lists.set(path, [...(lists.get(path) ?? []), adapter])
  const adapters = [...lists].map(([path, list]): [string, LinearAdapter] => [path, list.length === 1 ? list[0] : new Sum(list)])
  return { adapters: new Map(adapters), derived: all.flatMap(({ derived }) => derived), fixed: all.flatMap(({ fixed }) => fixed ?? []) }
}

class Sum implements LinearAdapter {
  constructor(private readonly adapters: LinearAdapter[]) {}

  forward(layer: Linear, x: Tensor, pass: Pass): Tensor {
    const plain = linear(x, pass.of(layer.weight), pass.of(layer.bias))
    return this.adapters.reduce((y, adapter) => add(y, sub(adapter.forward(layer, x, pass), plain)), plain)
  }

  mergeInto(weight: Tensor): void {
    for (const adapter of this.adapters) adapter.mergeInto(weight)
  }
}
