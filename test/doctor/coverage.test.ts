import { shaders } from 'condlora:build'
import { checks } from '../../src/doctor/checks'
import { uncovered } from '../../src/doctor/coverage'
import { assert, test } from '../harness'

const { activation, embedding, mse, softmax } = shaders
const without = (file: string, keep: (constants: Record<string, unknown>) => boolean) => ({
  ...checks,
  [file]: checks[file].map((check) => ({ ...check, forms: check.forms.filter((f) => keep(f.constants ?? {})) })),
})
const entry = (name: string) => `\n@compute @workgroup_size(64)\nfn ${name}(@builtin(workgroup_id) group: vec3u) {}\n`

test('every entry point, form and flag of the kernels has a check', () => {
  assert.equal(uncovered(shaders), [])
})

test('a kernel, an entry point, a form or a flag without a check is named', () => {
  const problems = (file: string, text: string) => uncovered({ ...shaders, [file]: text }).join('\n')
  assert.is(problems('new', mse), 'shaders/new.wgsl: the entry point main has no check in src/doctor/checks')
  assert.is(problems('mse', mse + entry('second')), 'shaders/mse.wgsl: the entry point second has no check in src/doctor/checks')
  assert.match(problems('mse', mse.replace('#else', '#endif\n#if FORM == 2')), /^shaders\/mse.wgsl: main, FORM = 2, has no check/)
  assert.match(
    problems('embedding', embedding.replace('FORM 1, gradient', 'FORM 4, gradient')),
    /embedding.wgsl: main, FORM = 4, has no check/,
  )
  const flagged = mse.replace('const FORM', 'const FAST = false;\nconst FORM').replace('#if FORM == 0', '#if FAST\n#endif\n#if FORM == 0')
  assert.is(problems('mse', flagged), 'shaders/mse.wgsl: main, FAST = true, has no check in src/doctor/checks')
})

test('a check that is taken away is missed', () => {
  const forward = without('activation', (c) => c.FORM !== 2 || c.BACKWARD === false)
  assert.equal(uncovered({ ...shaders, activation }, forward), [
    'shaders/activation.wgsl: main, FORM = 2, BACKWARD = true, has no check in src/doctor/checks',
  ])
  const alone = without('softmax', (c) => c.LANES === 1)
  assert.equal(uncovered({ ...shaders, softmax }, alone), ['shaders/softmax.wgsl: main, LANES > 1, has no check in src/doctor/checks'])
  const { mse: _, ...others } = shaders
  assert.equal(uncovered(others), ['src/doctor/checks has a check for shaders/mse.wgsl, which does not exist'])
})
