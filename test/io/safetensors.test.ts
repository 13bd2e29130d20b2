import { memoryFiles, openSafetensors, readChunks, readTensor } from '../../src/io'
import { streamSafetensors, writeSafetensors } from '../../src/io/safetensors_write'
import { assert, fixture, rng, test } from '../harness'

const open = (bytes: Uint8Array) => openSafetensors(memoryFiles('folder', [['x.safetensors', bytes]]), 'x.safetensors')

/** A file from a header, as text or object, and its data. */
function file(header: unknown, data: number | Uint8Array = 0, claimed?: bigint): Uint8Array {
  const json = new TextEncoder().encode(typeof header === 'string' ? header : JSON.stringify(header))
  const body = typeof data === 'number' ? new Uint8Array(data) : data
  const out = new Uint8Array(8 + json.length + body.length)
  new DataView(out.buffer).setBigUint64(0, claimed ?? BigInt(json.length), true)
  out.set(json, 8)
  out.set(body, 8 + json.length)
  return out
}

const f32 = (shape: number[], start: number, end: number) => ({ dtype: 'F32', shape, data_offsets: [start, end] })

test('a file of the Python library: every kind of number', async () => {
  const entries = await open(await fixture('io/mixed.safetensors'))
  const f = Math.fround
  const wanted: Record<string, number[]> = {
    f64: [0.5, f(1e-3)],
    f32: [1, -2.5, 3.25, 65504, f(1e-7), f(0.1)],
    f16: [1, -0.333251953125, 2 ** -24],
    bf16: [1, -2.5, 0.15625, f(1.0005e30)],
    i64: [-1, 0, 2147483647],
    i32: [-7],
    i16: [-300, 300],
    i8: [-3, 3],
    u8: [0, 255],
    bool: [1, 0],
    empty: [],
  }
  for (const [name, values] of Object.entries(wanted)) {
    const e = entries.get(name)
    assert.ok(e, name)
    if (!e) continue
    const got = await readTensor(e)
    assert.is(got instanceof Int32Array, /^[iu]|bool/.test(name), name)
    if (name === 'bf16') assert.close(got, values, 1e-2, name)
    else assert.equal([...got], values, name)
  }
  assert.equal(entries.get('f32')?.shape, [2, 3])
  assert.equal(entries.get('empty')?.shape, [0, 5])
  assert.is(entries.size, 12)
  const large = entries.get('i64.large')
  await assert.rejects(() => large && readTensor(large), /folder\/x\.safetensors: tensor i64\.large: 2147483648 does not fit 32 bits/)
})

test('a tensor in pieces is the tensor', async () => {
  const entry = (await open(await fixture('io/mixed.safetensors'))).get('f32')
  assert.ok(entry)
  if (!entry) return
  const pieces: [number, number][] = []
  for await (const { at, values } of readChunks(entry, 4)) pieces.push([at, values.length])
  assert.equal(pieces, [
    [0, 4],
    [4, 2],
  ])
  assert.equal([...(await readTensor(entry, 2, 5))], [3.25, 65504, Math.fround(1e-7)])
})

for (const chunk of [1, 4, 5, 6, 7])
  test(`pieces of ${chunk} cover a tensor of 6 once, in order; an empty tensor has none`, async () => {
    const entries = await open(await fixture('io/mixed.safetensors'))
    const all: number[] = []
    for await (const { at, values } of readChunks(entries.get('f32')!, chunk)) {
      assert.is(at, all.length)
      assert.ok(values.length > 0 && values.length <= chunk)
      all.push(...values)
    }
    assert.equal(all, [...(await readTensor(entries.get('f32')!))])
    for await (const _ of readChunks(entries.get('empty')!, chunk)) assert.unreachable('a piece of nothing')
  })

test('pieces of no size are refused', async () => {
  const entry = (await open(await fixture('io/mixed.safetensors'))).get('f32')!
  for (const chunk of [0, -1, 1.5, Number.NaN])
    await assert.rejects(() => readChunks(entry, chunk).next(), /readChunks: chunk: wanted a whole number above 0, got/)
})

test('a header above 100 MB is refused unread, however large the file', async () => {
  const files = memoryFiles('folder')
  const length = new Uint8Array(8)
  new DataView(length.buffer).setBigUint64(0, 100_000_001n, true)
  const huge = {
    ...files,
    size: async () => 2 ** 40,
    read: async (_: string, start = 0, end = 2 ** 40) =>
      end === 8 && start === 0 ? length : assert.unreachable(`read ${start} to ${end}`),
  }
  await assert.rejects(() => openSafetensors(huge as typeof files, 'x'), /header claims 100000001 bytes; wanted at most 100000000/)
})

test('the writer gives the bytes of the Python library', async () => {
  const zeros = (n: number) => new Float32Array(n)
  const bytes = writeSafetensors([
    { name: 'b.z', shape: [1], data: zeros(1) },
    { name: 'a', shape: [2], data: new Int32Array(2) },
    { name: 'B', shape: [3], data: zeros(3), dtype: 'F16' },
    { name: 'b.a', shape: [2, 1], data: zeros(2) },
    { name: 'é', shape: [1], data: zeros(1) },
  ])
  assert.equal(bytes, await fixture('io/order.safetensors'))
})

test('written in pieces, the bytes are the same', async () => {
  const random = rng()
  const tensors = (['F16', 'F32', 'BF16', 'F32'] as const).map((dtype, i) => ({
    ...{ name: `t${i}`, shape: [3, i], dtype, data: random.normal(3 * i) },
  }))
  const files = memoryFiles('pieces')
  await files.write('x', streamSafetensors(tensors.map((t) => ({ ...t, read: async () => t.data }))))
  assert.equal(await files.read('x'), writeSafetensors(tensors))
  const entries = await openSafetensors(files, 'x')
  assert.equal(
    [...entries.values()].map(({ name, dtype }) => `${name} ${dtype}`),
    ['t1 F32', 't3 F32', 't2 BF16', 't0 F16'],
  )
})

test('what is written is read back', async () => {
  const random = rng()
  const tensors = Array.from({ length: 20 }, (_, i) => {
    const shape = Array.from({ length: random.int(0, 3) }, () => random.int(0, 5))
    const size = shape.reduce((n, d) => n * d, 1)
    const name = i ? `layer.${random.int(0, 1e6)}.${i}` : '__proto__'
    return {
      name,
      shape,
      data: i % 3 ? random.normal(size) : Int32Array.from({ length: size }, () => random.int(-1e9, 1e9)),
    }
  })
  const entries = await open(writeSafetensors(tensors, { format: 'pt', note: '"{[' }))
  assert.is(entries.size, 20)
  for (const { name, shape, data } of tensors) {
    const e = entries.get(name)
    assert.ok(e, name)
    if (!e) continue
    assert.equal(e.shape, shape)
    assert.equal(await readTensor(e), data)
  }
})

test('the writer refuses a name given twice and a wrong shape', async () => {
  const one = { name: 'w', shape: [1], data: new Float32Array(1) }
  await assert.rejects(() => writeSafetensors([one, one]), /name w is given twice/)
  await assert.rejects(() => writeSafetensors([{ ...one, shape: [3] }]), /tensor w: shape \[3\] wants 3 numbers, got 1/)
})

test('the bytes of a Files object may lie anywhere in a larger buffer', async () => {
  const bytes = writeSafetensors([{ name: 'w', shape: [2], data: Float32Array.of(3, 4) }])
  const shifted = new Uint8Array(bytes.length + 3)
  shifted.set(bytes, 3)
  const files = memoryFiles('folder', [['x', bytes]])
  const views = {
    ...files,
    read: async (_: string, start = 0, end = bytes.length) => shifted.subarray(3 + start, 3 + end),
  }
  const entry = (await openSafetensors(views, 'x')).get('w')
  assert.equal(entry && [...(await readTensor(entry))], [3, 4])
})

const hostile: [string, Uint8Array, RegExp][] = [
  ['no file at all', new Uint8Array(5), /5 bytes are too few/],
  ['a header larger than the file', file({}, 0, 1000n), /header claims 1000 bytes; wanted at most 2/],
  ['a huge header', file({}, 0, 2n ** 63n), /header claims 9223372036854775808 bytes; wanted at most 2/],
  ['a header that claims less than it is', file({ w: f32([1], 0, 4) }, 4, 20n), /not valid JSON/],
  ['a header that claims some of the data', file({ w: f32([1], 0, 4) }, 4, 56n), /not valid JSON/],
  ['a header that is not JSON', file('not json'), /not valid JSON/],
  ['a header that is not UTF-8', new Uint8Array([1, 0, 0, 0, 0, 0, 0, 0, 0xff]), /not UTF-8/],
  ['a header that is a list', file('[]'), /wanted a JSON object/],
  ['a header nested too deeply', file('['.repeat(100_000)), /nested too deeply/],
  ['an entry that is null', file('{"w":null}'), /tensor w: dtype: wanted one of F64, .* got undefined/],
  ['an unknown dtype', file({ w: { dtype: 'Q4', shape: [1], data_offsets: [0, 1] } }, 1), /tensor w: dtype: wanted one of .*, got "Q4"/],
  [
    'a dtype that every object has',
    file({ w: { dtype: 'constructor', shape: [1], data_offsets: [0, 1] } }, 1),
    /tensor w: dtype: wanted one of .*, got "constructor"/,
  ],
  ['a negative shape', file({ w: f32([-1], 0, 4) }, 4), /tensor w: shape: wanted .*, got \[-1\]/],
  ['a shape that is not whole', file({ w: f32([0.5], 0, 4) }, 4), /tensor w: shape: wanted .*, got \[0.5\]/],
  [
    'a shape that overflows',
    file({ w: f32([2 ** 40, 2 ** 40], 0, 4) }, 4),
    /tensor w: F32 \[1099511627776,1099511627776\] takes .* hold 4/,
  ],
  [
    'offsets that are not two',
    file({ w: { dtype: 'F32', shape: [1], data_offsets: [0] } }, 4),
    /tensor w: data_offsets: wanted two whole numbers, got \[0\]/,
  ],
  ['offsets the wrong way round', file({ w: f32([1], 4, 0) }, 4), /tensor w: F32 \[1\] takes 4 bytes, data_offsets \[4, 0\] hold -4/],
  ['offsets that do not fit the shape', file({ w: f32([3], 0, 8) }, 8), /tensor w: F32 \[3\] takes 12 bytes, data_offsets \[0, 8\] hold 8/],
  ['offsets out of range', file({ w: f32([2], 0, 8) }, 4), /tensor w ends at byte \d+, the file at \d+/],
  ['overlapping tensors', file({ a: f32([2], 0, 8), b: f32([2], 4, 12) }, 12), /tensor b overlaps another/],
  ['the same bytes twice', file({ a: f32([1], 0, 4), b: f32([1], 0, 4) }, 4), /tensor b overlaps another/],
  ['a hole', file({ a: f32([1], 0, 4), b: f32([1], 8, 12) }, 12), /4 bytes before tensor b belong to no tensor/],
  ['bytes after the last tensor', file({ a: f32([1], 0, 4) }, 10), /6 bytes at the end belong to no tensor/],
  [
    'duplicate names',
    file('{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}', 4),
    /the name w stands twice/,
  ],
  [
    'duplicate names, one written with an escape',
    file('{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}, "\\u0077" : {"dtype":"F32","shape":[1],"data_offsets":[0,4]}}', 4),
    /the name w stands twice/,
  ],
  [
    'a key of a tensor twice',
    file('{"w":{"dtype":"F32","dtype":"I32","shape":[1],"data_offsets":[0,4]}}', 4),
    /the name dtype stands twice/,
  ],
]

for (const [what, bytes, message] of hostile)
  test(`refuses ${what}`, async () => {
    await assert.rejects(() => open(bytes), message)
    await assert.rejects(() => open(bytes), /^folder\/x\.safetensors/)
  })

test('a missing file, and a kind of number that cannot be read', async () => {
  await assert.rejects(() => openSafetensors(memoryFiles('folder'), 'x.safetensors'), /folder: there is no file x\.safetensors/)
  const entry = (await open(file({ w: { dtype: 'F8_E4M3', shape: [2], data_offsets: [0, 2] } }, 2))).get('w')
  await assert.rejects(() => entry && readTensor(entry), /tensor w: F8_E4M3 cannot be read yet/)
})
