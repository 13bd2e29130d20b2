import { type Case, type Check, numeric } from '../check'
import { epilogues, turned, vectors } from './products'

/** A device with matrix units has more of them: `unitForms`. */
export const matmulUnits: Check = {
  forms: [0, 1, 2].map((FORM) => ({ constants: { FORM }, units: true })),
  cases(constants, random) {
    const size = (name: string, fallback: number) => numeric(constants, name, fallback)
    const form = size('FORM', 1)
    const [rows, columns] = [2 * size('DOWN', 2) * size('UNIT_M', 16), 2 * size('ACROSS', 2) * size('UNIT_N', 16)]
    const shapes = epilogues((epilogue) => {
      // Two pieces by two and two steps of k, each of the last not full; the others are one piece a batch.
      const large = epilogue === 1
      const [m, n, k] = [large ? rows + 12 : 20, large ? columns + 20 : 12, (large ? size('STEP', 32) : 0) + 8]
      const odd = [
        { m: m + 1, n, k },
        { m: m + 1, n: n + 3, k },
        { m, n, k: k + 1 },
      ][form]
      return { ...odd, ...turned(form), unit: 4, cell: 1, epilogue, single: large }
    })
    return shapes.map((s): Case => {
      const { words, ...others } = vectors(s, random, rows, columns, 1)
      return { ...others, words: words.slice(0, -1) }
    })
  },
}
