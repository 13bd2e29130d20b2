import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { assert, test } from '../harness'
import { condlora, inFolder, readJson, trainArgs } from './command'

interface Grid {
  kind: string
  part: string
  phi: number[][]
  average: number
  random: { average: number }
}

test('analyze: grids of the conversion matrices and similarity of two runs, as tables, JSON and pages', () =>
  inFolder(async (cwd) => {
    for (const method of ['lora', 'condlora']) {
      const { code, err } = await condlora([...trainArgs, '--method', method, '--rank', '4', '--steps', '8', '--output', method], { cwd })
      assert.is(code, 0, err)
    }
    const conversion = await condlora(['analyze', 'conversion', 'condlora', '--json', '--quiet'], { cwd })
    assert.is(conversion.code, 0, conversion.err)
    const { i, j, side, grids } = JSON.parse(conversion.out) as { i: number; j: number; side: string; grids: Grid[] }
    assert.equal([i, j, side], [4, 4, 'left'])
    assert.equal(
      grids.map(({ kind, part }) => `${kind.split('.').pop()} ${part}`),
      ['query A', 'query B', 'query BA', 'value A', 'value B', 'value BA'],
    )
    for (const { part, average, random } of grids) {
      if (part !== 'BA') assert.ok(Math.abs(average - 1) < 1e-4, 'CondLoRA has one conversion for all layers')
      assert.ok(random.average < 0.6)
    }
    assert.equal(readJson(cwd, 'condlora/analysis/conversion.json').grids, grids)
    const page = readFileSync(join(cwd, 'condlora/analysis/conversion.html'), 'utf8')
    assert.is(page.match(/<svg/g)?.length, 6)
    assert.match(page, /attention\.self\.query, W0⁻¹Aᵀ: average similarity 1\.0000, random 0\.\d{4}/)
    assert.not.match(page, /<script|\bsrc=|\bhref=/i)

    const text = await condlora(['analyze', 'conversion', 'lora', '-i', '2', '-j', '3', '--side', 'right', '--output', 'elsewhere'], {
      cwd,
    })
    assert.match(text.out, /mean φ over pairs of layers +trained +random\nattention\.self\.query W0⁻¹Aᵀ +[01]\.\d{4} +[01]\.\d{4}\n/)
    assert.ok(existsSync(join(cwd, 'elsewhere/conversion.html')))

    const similarity = await condlora(['analyze', 'similarity', 'lora', 'condlora', '--json'], { cwd })
    assert.is(similarity.code, 0, similarity.err)
    const found = JSON.parse(similarity.out)
    assert.is(found.layers.length, 4)
    assert.ok(found.mean.A > 0 && found.mean.A < 1)
    const same = await condlora(['analyze', 'similarity', 'lora', 'lora'], { cwd })
    assert.match(same.out, /\nmean +1\.0000 +1\.0000 +1\.0000 +0\.\d{4}/)

    const wrong: [string[], number, RegExp][] = [
      [['conversion', 'lora', '-i', '5'], 2, /-i: wanted at most 4, the rank of the adapter, got 5/],
      [['conversion', 'tiny'], 2, /tiny\/config\.json: this is a model's configuration, not a run's/],
      [['conversion', 'lora', '--output', 'train.csv/x'], 1, /train\.csv\/x\/conversion\.json: cannot be written/],
      [['similarity', 'lora'], 2, /missing required argument 'other'/],
      [['conversion', 'lora', '--side', 'up'], 2, /side.*left, right/],
    ]
    for (const [args, code, message] of wrong) {
      const result = await condlora(['analyze', ...args, '--quiet'], { cwd })
      assert.is(result.code, code, result.err)
      assert.match(result.err, message)
    }
  }))
