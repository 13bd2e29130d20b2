import { openTestDevice, test } from '../harness'
import { asOnGpus, byBlocks } from '../ops/check'
import { check } from './golden_case'

// Fused attention, large tiles with gelu after them, threads that share rows: on software adapters ops choose others.
test('logits, gradients and ten steps as PyTorch and peft by the kernels that GPUs take, large tiles wherever they can be', async () => {
  const device = await openTestDevice()
  for (const name of ['lora', 'condlora-rectangular']) await byBlocks(8, () => asOnGpus(device, () => check('cases', name)))
})
