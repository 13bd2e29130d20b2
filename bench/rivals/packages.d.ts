// What we use of the rivals' packages: they are installed when the benchmarks first run, types are checked without them.
declare module '@jax-js/jax' {
  export interface Array {
    readonly ref: Array
    readonly shape: number[]
    dispose(): void
    data(): Promise<Float32Array | Int32Array>
    add(other: Array | number): Array
    sub(other: Array | number): Array
    mul(other: Array | number): Array
    div(other: Array | number): Array
    sum(axis?: number): Array
    mean(axis: number, options: { keepdims: boolean }): Array
    reshape(shape: number[]): Array
    astype(type: string): Array
  }
  type Tree = Array | Tree[] | { [name: string]: Tree }
  type Compiled<F> = F & { dispose(): void }
  export function init(device: string): Promise<string[]>
  export function defaultDevice(device: string): void
  export function getWebGPUDevice(): GPUDevice
  export function blockUntilReady(tree: Tree): Promise<unknown>
  export function jit<F>(f: F): Compiled<F>
  // biome-ignore lint/suspicious/noExplicitAny: any function of trees
  export function valueAndGrad<F extends (...trees: any[]) => Array>(f: F): (...trees: Parameters<F>) => [Array, Parameters<F>[0]]
  export const numpy: {
    int32: string
    array(data: ArrayLike<number>, options?: { shape?: number[]; dtype?: string }): Array
    zeros(shape: number[]): Array
    arange(n: number): Array
    matmul(a: Array, b: Array): Array
    matrixTranspose(x: Array): Array
    transpose(x: Array, axes: number[]): Array
    take(x: Array, indices: Array, axis: number): Array
    square(x: Array): Array
    sqrt(x: Array): Array
    tanh(x: Array): Array
  }
  export const nn: {
    softmax(x: Array, axis: number): Array
    logSoftmax(x: Array, axis: number): Array
    gelu(x: Array, options: { approximate: boolean }): Array
    oneHot(x: Array, classes: number): Array
  }
}

declare module '@tensorflow/tfjs-core' {
  export interface Tensor {
    readonly shape: number[]
    data(): Promise<Float32Array | Int32Array>
    dispose(): void
  }
  export interface Variable extends Tensor {
    assign(value: Tensor): void
  }
  export const version_core: string
  export function setBackend(name: string): Promise<boolean>
  export function ready(): Promise<void>
  export function backend(): unknown
  export function tidy<T>(body: () => T): T
  export function dispose(tensors: Tensor[]): void
  export function tensor(data: Float32Array | Int32Array, shape?: number[], type?: 'float32' | 'int32'): Tensor
  export function variable(value: Tensor, trainable: boolean, name: string): Variable
  export function variableGrads(loss: () => Tensor, variables: Variable[]): { value: Tensor; grads: Record<string, Tensor> }
  export const train: {
    adam(lr: number, beta1: number, beta2: number, eps: number): { applyGradients(grads: Record<string, Tensor>): void }
  }
  export function matMul(a: Tensor, b: Tensor, transposeA?: boolean, transposeB?: boolean): Tensor
  export function transpose(x: Tensor, axes: number[]): Tensor
  export function reshape(x: Tensor, shape: number[]): Tensor
  export function slice(x: Tensor, begin: number[], size: number[]): Tensor
  export function gather(x: Tensor, indices: Tensor): Tensor
  export function oneHot(x: Tensor, depth: number): Tensor
  export function sum(x: Tensor, axis: number): Tensor
  export function mean(x: Tensor, axis?: number, keep?: boolean): Tensor
  type Binary = (a: Tensor, b: Tensor | number) => Tensor
  export const add: Binary
  export const sub: Binary
  export const mul: Binary
  type Unary = (x: Tensor) => Tensor
  export const square: Unary
  export const rsqrt: Unary
  export const erf: Unary
  export const tanh: Unary
  export const neg: Unary
  export const softmax: Unary
  export const logSoftmax: Unary
}

declare module '@tensorflow/tfjs-core/dist/*'

declare module '@tensorflow/tfjs-backend-webgpu' {
  export interface WebGPUBackend {
    device: GPUDevice
    commandEncoder: GPUCommandEncoder | null
    endComputePassEncoder(): void
    submitQueue(): void
  }
}

declare module 'onnxruntime-web' {
  export * from 'onnxruntime-web/webgpu'
}

declare module 'onnxruntime-web/webgpu' {
  export class Tensor {
    constructor(type: 'float32' | 'float16' | 'int32', data: Float32Array | Uint16Array | Int32Array, dims: readonly number[])
    static fromGpuBuffer(buffer: GPUBuffer, options: { dataType: 'float32' | 'float16'; dims: number[] }): Tensor
    /** Half floats as their bits. */
    getData(): Promise<Float32Array | Uint16Array>
    dispose(): void
  }
  export interface InferenceSession {
    run(feeds: Record<string, Tensor>): Promise<Record<string, Tensor>>
    release(): Promise<void>
  }
  export const InferenceSession: {
    create(model: Uint8Array, options: { executionProviders: string[]; preferredOutputLocation?: 'gpu-buffer' }): Promise<InferenceSession>
  }
  export const env: { logLevel: string; versions: { web?: string }; webgpu: { device: Promise<GPUDevice> }; wasm: { numThreads?: number } }
}

declare module 'gpu.js' {
  /** A result that stayed on the device. */
  export interface Resident {
    toArray(): Promise<Float32Array[] | Float32Array>
    delete(): void
  }
  export type Kernel = (...inputs: (Resident | Float32Array)[]) => Promise<Resident>
  export class GPU {
    constructor(options: { mode: string })
    createKernel(source: string, options: Record<string, unknown>): Kernel
  }
}

declare module 'protobufjs' {
  interface Type {
    create(fields: object): object
    encode(message: object): { finish(): Uint8Array }
  }
  const protobuf: { Root: { fromJSON(json: object): { lookupType(name: string): Type } } }
  export default protobuf
}
