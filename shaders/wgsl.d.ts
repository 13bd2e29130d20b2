declare module '*.wgsl' {
  const source: string
  export default source
}

/** Made by build.mjs. */
declare module 'condlora:build' {
  /** Each file of this folder: its name without .wgsl, and its text. */
  export const shaders: Record<string, string>
  /** Digest of all of them. */
  export const kernels: string
  /** Of this package, and of npm `webgpu` that it was built for. */
  export const version: string
  export const webgpuVersion: string
}
