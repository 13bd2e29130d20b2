import { shaders } from 'condlora:build'
import { preprocess } from '../../src/gpu'
import { experiments, keepAlive, platformGpu } from '../../src/gpu/platform.node'
import { formsOfUnits, type Room, unitsOf } from '../../src/ops/gemm_units'
import { assert, test } from '../harness'

/** What the compiler has against a text: Dawn without any driver, which has every feature and runs nothing. */
async function compiler(): Promise<{ errors: (code: string) => Promise<string[]>; done: () => void }> {
  const adapter = (await keepAlive((await platformGpu(false, ['backend=null', ...experiments])).requestAdapter())) as GPUAdapter
  const requiredFeatures = ['shader-f16', 'subgroups', 'chromium-experimental-subgroup-matrix'] as GPUFeatureName[]
  const device = await keepAlive(adapter.requestDevice({ requiredFeatures }))
  const errors = async (code: string) => {
    device.pushErrorScope('validation')
    const { messages } = await keepAlive(device.createShaderModule({ code }).getCompilationInfo())
    await keepAlive(device.popErrorScope())
    return messages.map((m) => `${m.type} ${m.lineNum}: ${m.message}`)
  }
  return { errors, done: () => device.destroy() }
}

const room: Room = { subgroup: 32, threads: 1024, storage: 32768 }
const lists = [
  ['f16', '16×16×16'], // NVIDIA, AMD
  ['f16', '8×16×16'], // Intel
  ['f16', '8×8×8'], // lavapipe
  ['f32', '8×8×8'], // Apple
] as const

test('the kernel for matrix units compiles, without a warning, for the shapes of every maker', async () => {
  const { errors, done } = await compiler()
  for (const [type, size] of lists) {
    const [M, N, K] = size.split('×').map(Number)
    const units = unitsOf([{ componentType: type, resultComponentType: 'f32', M, N, K }], room)
    const forms = formsOfUnits(units, room.storage)
    assert.is(forms.length, type === 'f16' ? 12 : 24, size)
    for (const constants of forms) assert.equal(await errors(preprocess(shaders.matmul_units, constants)), [], JSON.stringify(constants))
  }
  const [broken] = await errors(preprocess(shaders.matmul_units.replace('Left, row_major', 'Right, row_major'), { FORM: 1 }))
  assert.match(broken, /^error/)
  done()
})
