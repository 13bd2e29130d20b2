import { preprocess } from '../../src/gpu'
import { assert, test } from '../harness'

const throws = (source: string, constants: Record<string, number | boolean | string>, message: RegExp) =>
  assert.throws(
    () => preprocess(source, constants),
    (e: Error) => message.test(e.message),
  )

const lines = (source: string, constants = {}) =>
  preprocess(source, constants)
    .split('\n')
    .map((l) => l.trim())
    .filter(Boolean)

test('constants: defaults stay, given ones replace them, of any kind; the rest of the line stays', () => {
  const source = 'const TILE = 32u; // why\nconst BIAS = false;\nalias T = f32;\nlet x = TILE;'
  assert.is(preprocess(source), source)
  assert.equal(lines(source, { TILE: 8, BIAS: true, T: 'f16' }), [
    'enable f16; const TILE = 8u; // why',
    'const BIAS = true;',
    'alias T = f16;',
    'let x = TILE;',
  ])
})

test('a constant that the file lacks is an error; an indented const is none of ours', () => {
  throws('const A = 1u;', { B: 2, A: 3 }, /no constant B in this shader/)
  throws('  const A = 1u;', { A: 3 }, /no constant A/)
})

test('#if, #else, #endif over flags, ==, > and !, nested', () => {
  const source = `const FORM = 0u;
const BIAS = false;
#if BIAS
bias
#if FORM == 2
both
#else
bias only
#endif
#else
plain
#if FORM > 1
large
#endif
#endif
#if !FORM == 2
not two
#endif
#if !BIAS
no bias
#endif`
  const kept = (constants = {}) => lines(source, constants).slice(2)
  assert.equal(kept(), ['plain', 'not two', 'no bias'])
  assert.equal(kept({ FORM: 2 }), ['plain', 'large', 'no bias'])
  assert.equal(kept({ FORM: 2, BIAS: true }), ['bias', 'both'])
  assert.equal(kept({ FORM: 3, BIAS: true }), ['bias', 'bias only', 'not two'])
})

test('unbalanced or unknown conditions are errors', () => {
  throws('const A = 1u;\n#if A\nx', {}, /#if without #endif/)
  throws('x\n#endif', {}, /#endif without #if/)
  throws('x\n#else\ny', {}, /#else without #if/)
  throws('#if MISSING\n#endif', {}, /cannot evaluate #if MISSING/)
  throws('const A = 1u;\n#if A < 2\n#endif', {}, /cannot evaluate #if A < 2/)
})

test('#unroll writes the body N times with the index constant, N a number or a constant, nested', () => {
  const source = `const N = 2u;
#unroll
for (var i = 0u; i < N; i++) {
  a[i] = 1;
#unroll
  for (var j = 0u; j < 3; j++) {
    b[i][j] = 2;
  }
}
after`
  const got = lines(source)
  assert.is(got.filter((l) => l === 'a[i] = 1;').length, 2)
  assert.is(got.filter((l) => l === 'b[i][j] = 2;').length, 6)
  assert.equal(
    got.filter((l) => l.startsWith('{ const i')),
    ['{ const i = 0u;', '{ const i = 1u;'],
  )
  assert.equal(got.filter((l) => l.startsWith('{ const j')).slice(0, 3), ['{ const j = 0u;', '{ const j = 1u;', '{ const j = 2u;'])
  assert.is(got.at(-1), 'after')
  assert.is(lines(source, { N: 3 }).filter((l) => l === 'a[i] = 1;').length, 3)
  const depth = got
    .join('')
    .split('')
    .reduce((d, c) => d + (c === '{' ? 1 : c === '}' ? -1 : 0), 0)
  assert.is(depth, 0)
})

test('#unroll of anything but its loop, of an unknown bound, or of one never closed is an error', () => {
  throws('#unroll\nlet x = 1;', {}, /#unroll wants 'for .*got 'let x = 1;'/)
  throws('#unroll', {}, /got 'undefined'/)
  throws('#unroll\nfor (var i = 0u; i < N; i++) {\n}', {}, /#unroll: N is no constant/)
  throws('#unroll\nfor (var i = 0u; i < 2; i++) {\nx', {}, /never closed/)
})
