import { elementwise, noGrad, Tensor } from '../../src/graph'
import { FlatParameters, gatherGradients } from '../../src/nn/parameters'
import { assert, openTestDevice, rng, test } from '../harness'

test('gradients that were made as one are made in their places, where these lie alike; else they are copied', async () => {
  const device = await openTestDevice()
  const spec = (name: string, size: number) => ({ name, shape: [size], init: () => new Float32Array(size) })
  const parameters = new FlatParameters(device, [spec('a', 64), spec('b', 128), spec('c', 64), spec('d', 5)])
  const data = rng().uniform(320, -1, 1)
  const source = Tensor.from(device, data)
  /** The gradients, made by one dispatch in a tensor of `size`, from these places on: dispatches, and where each went. */
  const gather = async (size: number, places: Record<string, number>, fresh = true) => {
    parameters.gradients.write(new Float32Array(parameters.gradients.size))
    const body = () =>
      noGrad(() => {
        const all = elementwise('made', 'copy', Tensor.empty(device, [size], 'made'), [source.view([size])])
        for (const [name, at] of Object.entries(places)) {
          const leaf = parameters.get(name)
          leaf.grad = all.view(leaf.shape, at)
        }
        const put = (to: Tensor, from: Tensor) => elementwise('put', fresh ? 'copy' : 'addTo', to, [from])
        gatherGradients(parameters.leaves(), parameters.gradients, put, fresh)
      })
    const { recording } = await device.record('gather', body, () => [])
    await recording.replay()
    const found = await parameters.gradients.data()
    recording.dispose()
    const wanted = new Float32Array(found.length)
    for (const [name, at] of Object.entries(places))
      wanted.set(data.subarray(at, at + parameters.get(name).size), parameters.places.get(name))
    assert.equal(found, wanted, JSON.stringify(places))
    return recording.commands.length
  }
  assert.is(await gather(192, { a: 0, b: 64 }), 1)
  assert.is(await gather(256, { a: 0, b: 64, c: 192 }), 1)
  assert.is(await gather(192, { b: 0, c: 128 }), 1)
  assert.is(await gather(5, { d: 0 }), 1)
  assert.is(await gather(192, { a: 128, b: 0 }), 3, 'in another order')
  assert.is(await gather(128, { a: 0, c: 64 }), 3, 'one between their places')
  assert.is(await gather(256, { a: 0, b: 64 }), 3, 'more than they')
  assert.is(await gather(192, { a: 0, b: 64 }, false), 3, 'to be added')
})
