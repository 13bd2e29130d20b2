import type { OpenDeviceOptions } from '../src/gpu'
import { ours, type Participant } from './case'

export interface Entry {
  open(options: OpenDeviceOptions): Promise<Participant>
  /** Computes by WebGPU; else by WebAssembly. */
  gpu: boolean
  /** Node's own options for its process. */
  flags?: string[]
}

/** Who can take part; each library is loaded when it does. */
export const participants: Record<string, Entry> = {
  condlora: { gpu: true, open: async (options) => (await import('./rivals/condlora')).open(options) },
  'jax-js': { gpu: true, open: async () => (await import('./rivals/jax')).open('webgpu') },
  tfjs: { gpu: true, open: async () => (await import('./rivals/tfjs')).open() },
  // Its WebAssembly only hands work to the GPU here; left to optimise it, V8 would take the processor from a software adapter.
  ort: { gpu: true, flags: ['--liftoff-only'], open: async () => (await import('./rivals/ort')).open('webgpu') },
  'gpu.js': { gpu: true, open: async () => (await import('./rivals/gpujs')).open() },
  'jax-js wasm': { gpu: false, open: async () => (await import('./rivals/jax')).open('wasm') },
  'ort wasm': { gpu: false, open: async () => (await import('./rivals/ort')).open('wasm') },
}

export const rivalNames = Object.keys(participants).filter((name) => name !== ours)
