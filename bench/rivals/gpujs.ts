import { GPU, type Kernel, type Resident } from 'gpu.js'
import type { Job, Participant, WorkOf } from '../case'
import { attentionInputs } from '../cases/attention'
import { aShape, bShape, matmulInputs } from '../cases/matmul'
import { rowInputs } from '../cases/rows'
import { opened } from '../meter'
import { layerNormEps } from '../model'

/** gpu.js in its `webgpu` mode: kernels written by hand in its JavaScript, one output element a thread. */
export async function open(): Promise<Participant> {
  const gpu = new GPU({ mode: 'webgpu' })
  return {
    version: '2.24.1',
    finish: () => opened.device?.queue.onSubmittedWorkDone() ?? Promise.resolve(),
    jobs: {
      matmul: (work) => product(gpu, work),
      softmax: (work) => rows(gpu, work),
      layernorm: (work) => rows(gpu, work),
      gelu: (work) => rows(gpu, work),
      attention: (work) => heads(gpu, work),
    },
    cannot: {
      conversion: 'no operators; a product over the layers would be the matmul row again',
      forward: 'no operators: a model would have to be written kernel by kernel',
      'half matmul': 'its numbers are f32 alone',
      'half train': 'no automatic differentiation, no operators, no optimizer, no half floats',
      train: 'no automatic differentiation, no operators, no optimizer',
    },
  }
}

/** A kernel whose output [columns, rows] (rows = 1: a vector) stays on the device. */
function kernel(gpu: GPU, source: string, output: number[], constants: Record<string, number> = {}): Kernel {
  return gpu.createKernel(source, { output, constants, pipeline: true, immutable: true, loopMaxIterations: 1e6 })
}

/** Puts numbers on the device, as [rows, columns]. */
async function resident(gpu: GPU, data: Float32Array, columns: number): Promise<Resident> {
  const copy = kernel(
    gpu,
    'function (x) { return x[this.thread.y * this.constants.columns + this.thread.x] }',
    [columns, data.length / columns],
    {
      columns,
    },
  )
  return copy(data)
}

/** Runs kernels one after the other, each on the inputs and on the results of those before. */
function chain(inputs: Resident[], steps: ((known: Resident[]) => Promise<Resident>)[]): Job {
  let results: Resident[] = []
  const drop = () => results.forEach((r) => r.delete())
  return {
    run: async () => {
      drop()
      results = []
      for (const step of steps) results.push(await step([...inputs, ...results]))
    },
    read: async () => [flat(await results[results.length - 1].toArray())],
    dispose: () => [...results, ...inputs].forEach((r) => r.delete()),
  }
}

function flat(rows: Float32Array[] | Float32Array): Float32Array {
  if (rows instanceof Float32Array) return rows
  const out = new Float32Array(rows.length * rows[0].length)
  rows.forEach((row, i) => out.set(row, i * row.length))
  return out
}

async function product(gpu: GPU, work: WorkOf<'matmul'>): Promise<Job> {
  const { m, n, k, batch, transposeA, transposeB } = work
  const { a, b } = matmulInputs(work)
  const inputs = [await resident(gpu, a, aShape(work)[1]), await resident(gpu, b, bShape(work)[1])]
  // Batches lie one below the other.
  const at = (first: string, rows: string, row: string, column: string, transposed: boolean) =>
    transposed ? `${first}[z * ${rows} + ${column}][${row}]` : `${first}[z * ${rows} + ${row}][${column}]`
  const multiply = kernel(
    gpu,
    `function (a, b) {
      const z = Math.floor(this.thread.y / this.constants.m)
      const i = this.thread.y - z * this.constants.m
      let sum = 0
      for (let k = 0; k < this.constants.k; k++) {
        sum += ${at('a', transposeA ? 'this.constants.k' : 'this.constants.m', 'i', 'k', transposeA)} *
          ${at('b', transposeB ? 'this.constants.n' : 'this.constants.k', 'k', 'this.thread.x', transposeB)}
      }
      return sum
    }`,
    [n, batch * m],
    { m, n, k },
  )
  return chain(inputs, [([a, b]) => multiply(a, b)])
}

async function rows(gpu: GPU, work: WorkOf<'softmax' | 'layernorm' | 'gelu'>): Promise<Job> {
  const { rows, columns } = work
  const data = rowInputs(work)
  const x = await resident(gpu, data.x, columns)
  const map = (expression: string, names: string, constants: Record<string, number> = {}) =>
    kernel(gpu, `function (${names}) { const x = input[this.thread.y][this.thread.x]; ${expression} }`, [columns, rows], constants)
  if (work.kind === 'gelu') {
    // Abramowitz and Stegun 7.1.26: it has no erf.
    const gelu = map(
      `const a = Math.abs(x) * 0.7071067811865476
      const t = 1 / (1 + 0.3275911 * a)
      const tail = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429)))) * Math.exp(-a * a)
      let phi = 1 - 0.5 * tail
      if (x < 0) { phi = 0.5 * tail }
      return x * phi`,
      'input',
    )
    return chain([x], [([x]) => gelu(x)])
  }
  const fold = (body: string, names = 'input') =>
    kernel(
      gpu,
      `function (${names}) { let s = ${body.startsWith('s = Math.max') ? '-1e30' : '0'}; for (let i = 0; i < this.constants.columns; i++) { const x = input[this.thread.y][i]; ${body} } return s }`,
      [1, rows],
      { columns },
    )
  if (work.kind === 'softmax') return softmax(x, fold, map)
  const [gamma, beta] = await Promise.all([data.gamma, data.beta].map((v) => resident(gpu, v, columns)))
  const mean = fold('s += x / this.constants.columns')
  const variance = fold('s += (x - mean[this.thread.y][0]) * (x - mean[this.thread.y][0]) / this.constants.columns', 'input, mean')
  const scaled = map(
    'return (x - mean[this.thread.y][0]) / Math.sqrt(variance[this.thread.y][0] + this.constants.eps) * gamma[0][this.thread.x] + beta[0][this.thread.x]',
    'input, gamma, beta, mean, variance',
    { eps: layerNormEps },
  )
  return chain([x, gamma, beta], [([x]) => mean(x), ([x, , , m]) => variance(x, m), ([x, g, b, m, v]) => scaled(x, g, b, m, v)])
}

type Build = (body: string, names?: string) => Kernel

function softmax(x: Resident, fold: Build, map: (body: string, names: string) => Kernel): Job {
  const most = fold('s = Math.max(s, x)')
  const sum = fold('s += Math.exp(x - most[this.thread.y][0])', 'input, most')
  const share = map('return Math.exp(x - most[this.thread.y][0]) / sum[this.thread.y][0]', 'input, most, sum')
  return chain([x], [([x]) => most(x), ([x, m]) => sum(x, m), ([x, m, s]) => share(x, m, s)])
}

async function heads(gpu: GPU, work: WorkOf<'attention'>): Promise<Job> {
  const { batch, length, heads, d } = work
  const constants = { length, heads, d, scale: 1 / Math.sqrt(d) }
  const inputs = await Promise.all(attentionInputs(work).map((x) => resident(gpu, x, heads * d)))
  // Scores [batch·heads·length, length].
  const where = `const head = Math.floor(this.thread.y / this.constants.length)
    const i = this.thread.y - head * this.constants.length
    const b = Math.floor(head / this.constants.heads)
    const h = head - b * this.constants.heads`
  const height = batch * heads * length
  const scores = kernel(
    gpu,
    `function (q, k) {
      ${where}
      let s = 0
      for (let x = 0; x < this.constants.d; x++) {
        s += q[b * this.constants.length + i][h * this.constants.d + x] * k[b * this.constants.length + this.thread.x][h * this.constants.d + x]
      }
      return s * this.constants.scale
    }`,
    [length, height],
    constants,
  )
  const fold = (body: string, names: string, start: string) =>
    kernel(
      gpu,
      `function (${names}) { let s = ${start}; for (let j = 0; j < this.constants.length; j++) { ${body} } return s }`,
      [1, height],
      constants,
    )
  const most = fold('s = Math.max(s, p[this.thread.y][j])', 'p', '-1e30')
  const sum = fold('s += Math.exp(p[this.thread.y][j] - most[this.thread.y][0])', 'p, most', '0')
  const out = kernel(
    gpu,
    `function (v, p, most, sum) {
      const b = Math.floor(this.thread.y / this.constants.length)
      const i = this.thread.y - b * this.constants.length
      const h = Math.floor(this.thread.x / this.constants.d)
      const row = (b * this.constants.heads + h) * this.constants.length + i
      let s = 0
      for (let j = 0; j < this.constants.length; j++) {
        s += Math.exp(p[row][j] - most[row][0]) / sum[row][0] * v[b * this.constants.length + j][this.thread.x]
      }
      return s
    }`,
    [heads * d, batch * length],
    constants,
  )
  return chain(inputs, [
    ([q, k]) => scores(q, k),
    ([, , , p]) => most(p),
    ([, , , p, m]) => sum(p, m),
    ([, , v, p, m, s]) => out(v, p, m, s),
  ])
}
