import { type Device, GpuError, Storage } from '../gpu'
import type { EncoderConfig } from './config'
import { ModelForSequenceClassification } from './sequence_classification'

/**
 * A model without memory, like PyTorch's meta device: shapes, names and counts come from the configuration alone, at
 * no cost. Ops on it give shapes; nothing can be read from it.
 */
export function metaModel(config: EncoderConfig): ModelForSequenceClassification {
  return new ModelForSequenceClassification(metaDevice(), config, 'meta')
}

type Meta = Pick<
  Device,
  'limits' | 'adapterName' | 'software' | 'features' | 'recording' | 'allocate' | 'allocatePinned' | 'free' | 'run' | 'write' | 'flush'
> & { read(storage: Storage): never; record(name: string): never; replay(): never; sync(): Promise<void> }

function metaDevice(): Device {
  const refuse = (what: string, madeBy: string): never => {
    throw new GpuError(`${what}: ${madeBy} belongs to a meta model, which has shapes and no numbers: use fromPretrained on a device`)
  }
  const allocate = (size: number, op: string) => new Storage(size, op)
  const unlimited = Number.MAX_SAFE_INTEGER
  const meta: Meta = {
    limits: {
      maxStorageBufferBindingSize: unlimited,
      maxBufferSize: unlimited,
      maxComputeWorkgroupsPerDimension: unlimited,
      maxStorageBuffersPerShaderStage: unlimited,
      minStorageBufferOffsetAlignment: 256,
    },
    adapterName: 'meta',
    software: false,
    features: new Set(),
    recording: null,
    allocate,
    allocatePinned: allocate,
    free: () => {},
    run: () => {},
    write: () => {},
    flush: () => {},
    sync: async () => {},
    read: (storage) => refuse('read', storage.madeBy),
    record: (name) => refuse('record', name),
    replay: () => refuse('replay', 'the recording'),
  }
  // Ops and models see only these members of a device.
  return meta as unknown as Device
}
