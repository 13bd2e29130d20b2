import { GpuError } from './errors'
import { type Constants, preprocess, takesHalf } from './wgsl'

/** A kernel's text, or the import of its file: kernels that few devices take are pieces of their own in a page. */
export type Shader = string | (() => Promise<{ default: string }>)

/** A kernel: `writes[i]` tells whether binding i + 1 is written. Binding 0 is the uniform. */
export interface Kernel {
  readonly label: string
  readonly shader: Shader
  readonly entry: string
  readonly constants: Constants | undefined
  readonly pipeline: Promise<GPUComputePipeline>
  /** What the text says; there when the pipeline is, and at once where the text need not be loaded. */
  text?: { readonly source: string; readonly writes: readonly boolean[] }
}

/** Kernels by text, entry point and constants; each is compiled once per device, asynchronously. */
export class Kernels {
  readonly #cache = new Map<Shader, Map<string, Kernel>>()
  /** How many pipelines were asked for, and how many of them are not there yet. */
  compiled = 0
  open = 0
  /** Hears when one is asked for (something may be being recorded), and when it came (nothing is). */
  heard: (() => void) | null = null

  constructor(private readonly device: GPUDevice) {}

  /** All that were asked for so far. */
  get all(): Kernel[] {
    return [...this.#cache.values()].flatMap((forms) => [...forms.values()])
  }

  /** Forgets all but those in `keep`: as if nobody had asked for them. */
  keepOnly(keep: ReadonlySet<Kernel>): void {
    for (const forms of this.#cache.values()) for (const [key, kernel] of forms) if (!keep.has(kernel)) forms.delete(key)
  }

  get(op: string, shader: Shader, entry: string, constants: Constants | undefined): Kernel {
    let forms = this.#cache.get(shader)
    if (!forms) this.#cache.set(shader, (forms = new Map()))
    const key = `${entry} ${JSON.stringify(constants ?? {})}`
    let kernel = forms.get(key)
    if (!kernel) forms.set(key, (kernel = this.#make(op, shader, entry, constants)))
    return kernel
  }

  #make(label: string, shader: Shader, entry: string, constants: Constants | undefined): Kernel {
    if (takesHalf(constants) && !this.device.features.has('shader-f16'))
      throw new GpuError(`${label}: numbers of dtype f16 need the feature shader-f16, which this device has not`)
    this.compiled++
    this.open++
    this.heard?.()
    const compile = (source: string) => {
      const { pipeline, writes } = this.#compile(label, source, entry, constants)
      return { pipeline, text: { source, writes } }
    }
    const load = (file: () => Promise<{ default: string }>) => ({
      pipeline: file().then(({ default: source }) => {
        const made = compile(source)
        kernel.text = made.text
        return made.pipeline
      }),
    })
    const kernel: Kernel = { label, shader, entry, constants, ...(typeof shader === 'string' ? compile(shader) : load(shader)) }
    const came = () => {
      this.open--
      this.heard?.()
    }
    kernel.pipeline.then(came, came) // whoever dispatches it sees the error
    return kernel
  }

  #compile(op: string, source: string, entry: string, constants: Constants | undefined) {
    const code = preprocess(source, constants)
    const writes = storageBindings(code)
    this.device.pushErrorScope('validation')
    const layout = this.device.createBindGroupLayout({
      label: op,
      entries: [
        { binding: 0, visibility: 4, buffer: { type: 'uniform', hasDynamicOffset: true } },
        ...writes.map((write, i) => ({
          binding: i + 1,
          visibility: 4,
          buffer: { type: (write ? 'storage' : 'read-only-storage') as GPUBufferBindingType },
        })),
      ],
    })
    const module = this.device.createShaderModule({ label: op, code })
    const pipelineLayout = this.device.createPipelineLayout({ label: op, bindGroupLayouts: [layout] })
    this.device.popErrorScope().catch(() => {}) // the pipeline's rejection says it, with the compiler's notes
    const pipeline = this.device
      .createComputePipelineAsync({ label: op, layout: pipelineLayout, compute: { module, entryPoint: entry } })
      .catch(async (thrown: unknown) => {
        const notes = (await module.getCompilationInfo()).messages.map((m) => `${m.lineNum}:${m.linePos} ${m.message}`)
        throw new GpuError(`${op}: the kernel does not compile: ${notes.join('; ') || (thrown as Error)?.message}`)
      })
    return { writes, pipeline }
  }
}

/** Which of bindings 1, 2, … are read_write, read off the text. */
function storageBindings(code: string): boolean[] {
  const writes: boolean[] = []
  for (const [, binding, access] of code.matchAll(/@binding\((\d+)\)\s*var<storage,\s*(read_write|read)>/g))
    writes[Number(binding) - 1] = access === 'read_write'
  return Array.from(writes, Boolean)
}
