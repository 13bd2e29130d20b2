import { type Case, type Check, combinations, numeric, type Random, read, type Slot, uniform, type Word, written } from '../check'

const flags = (name: string) => [false, true].map((on) => ({ constants: { [name]: on } }))

/** Two chunks of j, several tiles of rows and of columns, none of them full. */
const [layers, rows, columns, r] = [2, 67, 69, 11]

export const conversion: Check = {
  forms: combinations(
    [
      { constants: { LANES: 1 }, on: 'processors' },
      { constants: { LANES: 16 }, on: 'gpus' },
    ],
    flags('COLUMNS0'),
    flags('COLUMNS1'),
    flags('ACCUMULATE'),
  ),
  cases(constants, random) {
    const w = uniform(random, 5 + layers * (rows * columns + 3))
    const stride = rows * columns + 3
    const jobs = [0, 1].map((i) => job(w, stride, Boolean(constants[`COLUMNS${i}`]), i === 1, Boolean(constants.ACCUMULATE), random))
    const perTile = 64 / numeric(constants, 'LANES', 1)
    const groups = jobs.map((j) => layers * Math.ceil(r / 8) * Math.ceil(j.byColumns ? columns / 64 : rows / perTile))
    const words: Word[] = [rows, columns, layers, r, 5, stride, ...jobs.flatMap((j, i) => [groups[i], ...j.words])]
    const all: Case = { words, groups: groups[0] + groups[1], slots: [...jobs.map((j) => j.o), read(w), ...jobs.map((j) => read(j.t))] }
    return [all]
  },
}

interface Job {
  byColumns: boolean
  words: number[]
  o: Slot
  t: Float32Array
}

/** O[l, n, j] = Σ_k W[l] · T[l, j, k]: n runs over W's columns and k over its rows, or the other way round. */
function job(w: Float32Array, stride: number, byColumns: boolean, second: boolean, accumulate: boolean, random: Random): Job {
  const [kept, contracted] = byColumns ? [columns, rows] : [rows, columns]
  // The first job's T serves all layers and lies by j, its O by j too; the second's the other way.
  const t = second ? { off: 4, layer: contracted * r + 3, j: 1, k: r } : { off: 2, layer: 0, j: contracted, k: 1 }
  const o = second ? { off: 1, layer: kept * r + 2, n: r, j: 1 } : { off: 6, layer: kept * r + 5, n: 1, j: kept }
  const data = uniform(random, t.off + (layers - 1) * t.layer + contracted * r)
  const before = uniform(random, o.off + (layers - 1) * o.layer + kept * r)
  const after = new Float64Array(before.length).fill(NaN)
  for (let l = 0; l < layers; l++)
    for (let n = 0; n < kept; n++)
      for (let j = 0; j < r; j++) {
        const at = o.off + l * o.layer + n * o.n + j * o.j
        after[at] = accumulate && byColumns ? before[at] : 0
        for (let k = 0; k < contracted; k++) {
          const element = byColumns ? k * columns + n : n * columns + k
          after[at] += w[5 + l * stride + element] * data[t.off + l * t.layer + j * t.j + k * t.k]
        }
      }
  const words = [o.off, o.layer, o.n, o.j, t.off, t.layer, t.j, t.k]
  return { byColumns, words, o: written(after, before), t: data }
}
