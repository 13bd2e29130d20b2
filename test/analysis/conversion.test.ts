import { Matrix } from 'ml-matrix'
import {
  type AdaptedLayer,
  adaptedLayers,
  compareAdapters,
  conversionMatrices,
  type Part,
  phi,
  randomGrid,
  type Side,
  similarityGrid,
  singularVectors,
  solver,
} from '../../src/analysis'
import { memoryFiles, openSafetensors, readTensor } from '../../src/io'
import { getPeftModel } from '../../src/peft'
import { assert, fixture, openTestDevice, rng, test } from '../harness'
import { tinyModel } from '../tiny'

const folder = 'golden/cases/analysis'

/** Weights and trained LoRA of PyTorch's golden case. */
async function goldenLayers(): Promise<AdaptedLayer[]> {
  const files = memoryFiles('analysis', [['inputs.safetensors', await fixture(`${folder}/inputs.safetensors`)]])
  const tensors = await openSafetensors(files, 'inputs.safetensors')
  const layers: AdaptedLayer[] = []
  for (const kind of ['query', 'value'])
    for (const layer of [0, 1, 2]) {
      const [W, A, B] = await Promise.all(
        ['W', 'A', 'B'].map(async (name) => {
          const entry = tensors.get(`${kind}.${layer}.${name}`)
          if (!entry) throw new Error(`no ${kind}.${layer}.${name}`)
          return Matrix.from1DArray(entry.shape[0], entry.shape[1], Array.from(await readTensor(entry)))
        }),
      )
      layers.push({ kind, layer, path: `layer.${layer}.${kind}`, W, A, B })
    }
  return layers
}

test('φ of the golden conversion matrices, all kinds, parts and sides, to 1e-6', async () => {
  const { cases } = JSON.parse(new TextDecoder().decode(await fixture(`${folder}/case.json`)))
  const conversions = conversionMatrices(await goldenLayers())
  let checked = 0
  for (const [name, { phi: wanted, averageUpperTriangle }] of Object.entries<{ phi: number[][]; averageUpperTriangle: number }>(cases)) {
    const [kind, part, side, i, j] = name.split('.') as [string, Part, Side, string, string]
    const { spaces } = conversions.find((c) => c.kind === kind) as (typeof conversions)[number]
    const grid = similarityGrid(spaces[part], Number(i.slice(1)), Number(j.slice(1)), side)
    assert.close(grid.phi.flat(), wanted.flat(), 1e-6, name)
    assert.is(grid.average.toFixed(4), averageUpperTriangle.toFixed(4), name)
    checked++
  }
  assert.is(checked, 18)
})

test('CondLoRA’s own conversion matrices are one: φ = 1 for A and B of all layers; another base gives less', async () => {
  const device = await openTestDevice()
  const model = await getPeftModel(await tinyModel(device), { peftType: 'CONDLORA', r: 4 }, { seed: 5 })
  const random = rng()
  // B starts at zero.
  for (const { name, shape } of model.method.parameters) model.parameters.get(name).write(random.normal(shape[0] * shape[1]))
  const layers = await adaptedLayers(model)
  assert.is(layers.length, 4)
  const found = conversionMatrices(layers)
  assert.equal(
    found.map(({ kind, layers: numbers, leastSquares }) => [kind, numbers, leastSquares]),
    [
      ['attention.self.query', [0, 1], false],
      ['attention.self.value', [0, 1], false],
    ],
  )
  for (const { kind, spaces } of found)
    for (const part of ['A', 'B'] as const) {
      const { average } = similarityGrid(spaces[part], 4, 4, 'left')
      assert.ok(Math.abs(average - 1) < 1e-5, `${kind} ${part}: ${average}`)
    }
  // The same A and B seen from other weights.
  const other = conversionMatrices(layers.map((l, n) => ({ ...l, W: layers[(n + 2) % 4].W })))
  assert.ok(similarityGrid(other[0].spaces.A, 4, 4, 'left').average < 0.9)
})

test('a weight without an inverse is refused by the layer’s name; one that is not square is solved by least squares', () => {
  const random = rng()
  const matrix = (rows: number, columns: number) => Matrix.from1DArray(rows, columns, Array.from(random.normal(rows * columns)))
  const layer = (W: Matrix): AdaptedLayer => ({
    kind: 'dense',
    layer: 3,
    path: 'layer.3.dense',
    W,
    A: matrix(2, W.columns),
    B: matrix(W.rows, 2),
  })
  const deficient = matrix(9, 9)
  deficient.setRow(4, deficient.getRow(7))
  assert.throws(() => conversionMatrices([layer(deficient)]), /layer\.3\.dense: its frozen weight \[9, 9\] has no full rank .*no W0⁻¹/)
  for (const [rows, columns] of [[7, 12] as const, [12, 7] as const]) {
    const W = matrix(rows, columns)
    const x = matrix(columns, 3)
    const y = W.mmul(x)
    const solved = solver(W, 'dense')(y)
    assert.close(W.mmul(solved).to1DArray(), y.to1DArray(), 1e-12)
    // Of several solutions the smallest.
    assert.ok(solved.norm() <= x.norm() * (1 + 1e-12))
    const [{ leastSquares }] = conversionMatrices([layer(W)])
    assert.is(leastSquares, true)
  }
})

test('singular vectors of a product from its factors are those of the product', () => {
  const random = rng()
  const [rows, columns, r] = [random.int(5, 20), random.int(5, 20), random.int(1, 4)]
  const [left, right] = [
    Matrix.from1DArray(rows, r, Array.from(random.normal(rows * r))),
    Matrix.from1DArray(r, columns, Array.from(random.normal(r * columns))),
  ]
  const whole = singularVectors(left.mmul(right))
  const factored = singularVectors({ left, right })
  for (const side of ['left', 'right'] as const)
    for (let n = 1; n <= r; n++) assert.ok(Math.abs(phi(whole[side], factored[side], n, n) - 1) < 1e-9, `${side} ${n}`)
  assert.throws(() => phi(factored.left, factored.left, r + 1, 1), new RegExp(`i: wanted 1 to ${r}, .* got ${r + 1}`))
})

test('random subspaces of d dimensions have φ near max(i, j) / d, and the seed repeats them', () => {
  const spaces = Array.from({ length: 12 }, () => ({ left: new Matrix(200, 4), right: new Matrix(200, 4) }))
  const { average, phi: grid } = randomGrid(spaces, 4, 8, 'left', 7)
  assert.ok(Math.abs(average - 8 / 200) < 0.01, String(average))
  assert.equal(randomGrid(spaces, 4, 8, 'left', 7).phi, grid)
  assert.not.equal(randomGrid(spaces, 4, 8, 'left', 8).phi, grid)
})

test('two adapters: the same has φ = 1, another one about as little as a random subspace', async () => {
  const one = await goldenLayers()
  const random = rng()
  const noise = (m: Matrix) => Matrix.from1DArray(m.rows, m.columns, Array.from(random.normal(m.rows * m.columns)))
  for (const row of compareAdapters(one, one, { seed: 1 }))
    for (const part of ['A', 'B', 'BA'] as const) assert.ok(Math.abs(row[part] - 1) < 1e-9)
  const other = one.map((l) => ({ ...l, A: noise(l.A), B: noise(l.B) }))
  const rows = compareAdapters(one, other, { seed: 1 })
  const mean = (pick: (row: (typeof rows)[number]) => number) => rows.reduce((sum, row) => sum + pick(row), 0) / rows.length
  for (const part of ['A', 'B', 'BA'] as const) {
    assert.ok(mean((row) => row[part]) < 0.25, part)
    assert.ok(Math.abs(mean((row) => row.random[part]) - 4 / 48) < 0.08, part)
  }
  assert.throws(() => compareAdapters(one, one.slice(1), { seed: 1 }), /only one of the two adapters has layer\.0\.query/)
})
