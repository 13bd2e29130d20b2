import protobuf from 'protobufjs'

const { Root } = protobuf

// The part of onnx.proto that a graph of float operators needs (github.com/onnx/onnx, onnx/onnx.proto).
const f = (id: number, type: string, rule?: 'repeated') => ({ id, type, ...(rule ? { rule } : {}) })
const message = (fields: Record<string, ReturnType<typeof f>>) => ({ fields })
const Model = Root.fromJSON({
  nested: {
    Model: message({ irVersion: f(1, 'int64'), graph: f(7, 'Graph'), opsetImport: f(8, 'OperatorSet', 'repeated') }),
    OperatorSet: message({ domain: f(1, 'string'), version: f(2, 'int64') }),
    Graph: message({
      node: f(1, 'Node', 'repeated'),
      name: f(2, 'string'),
      initializer: f(5, 'Tensor', 'repeated'),
      input: f(11, 'Value', 'repeated'),
      output: f(12, 'Value', 'repeated'),
    }),
    Node: message({
      input: f(1, 'string', 'repeated'),
      output: f(2, 'string', 'repeated'),
      opType: f(4, 'string'),
      attribute: f(5, 'Attribute', 'repeated'),
    }),
    Attribute: message({ name: f(1, 'string'), f: f(2, 'float'), i: f(3, 'int64'), ints: f(8, 'int64', 'repeated'), type: f(20, 'int32') }),
    Tensor: message({ dims: f(1, 'int64', 'repeated'), dataType: f(2, 'int32'), name: f(8, 'string'), rawData: f(9, 'bytes') }),
    Value: message({ name: f(1, 'string'), type: f(2, 'Type') }),
    Type: message({ tensorType: f(1, 'TensorType') }),
    TensorType: message({ elemType: f(1, 'int32'), shape: f(2, 'Shape') }),
    Shape: message({ dim: f(1, 'Dimension', 'repeated') }),
    Dimension: message({ dimValue: f(1, 'int64') }),
  },
}).lookupType('Model')

const dataTypes = { float32: 1, int32: 6, int64: 7, float16: 10 }

type Attributes = Record<string, number | number[] | { float: number }>

/** An ONNX graph in the making: each method gives the name of what it adds. */
export class Graph {
  readonly #nodes: object[] = []
  readonly #constants: object[] = []
  readonly #inputs: object[] = []

  /** `dtype`: of inputs that say no other, and of what it gives. */
  constructor(readonly dtype: 'float32' | 'float16' = 'float32') {}

  input(name: string, dims: readonly number[], type: keyof typeof dataTypes = this.dtype): string {
    this.#inputs.push(value(name, dims, type))
    return name
  }

  constant(name: string, data: Float32Array | Int32Array | BigInt64Array, dims: readonly number[]): string {
    const type = data instanceof Float32Array ? 'float32' : data instanceof Int32Array ? 'int32' : 'int64'
    const rawData = new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
    this.#constants.push({ name, dims, dataType: dataTypes[type], rawData })
    return name
  }

  node(opType: string, input: string[], attributes: Attributes = {}): string {
    const output = `${opType}_${this.#nodes.length}`
    this.#nodes.push({ opType, input, output: [output], attribute: Object.entries(attributes).map(attribute) })
    return output
  }

  /** Another name for a node's result. */
  named(name: string, result: string): void {
    this.#nodes.push({ opType: 'Identity', input: [result], output: [name], attribute: [] })
  }

  /** The file's bytes; `output` [dims] is what the graph gives. */
  bytes(output: [name: string, dims: readonly number[]][]): Uint8Array {
    const graph = {
      name: 'bench',
      node: this.#nodes,
      initializer: this.#constants,
      input: this.#inputs,
      output: output.map(([name, dims]) => value(name, dims, this.dtype)),
    }
    return Model.encode(Model.create({ irVersion: 9, opsetImport: [{ domain: '', version: 20 }], graph })).finish()
  }
}

function attribute([name, v]: [string, Attributes[string]]): object {
  if (Array.isArray(v)) return { name, ints: v, type: 7 }
  return typeof v === 'number' ? { name, i: v, type: 2 } : { name, f: v.float, type: 1 }
}

function value(name: string, dims: readonly number[], type: keyof typeof dataTypes): object {
  return { name, type: { tensorType: { elemType: dataTypes[type], shape: { dim: dims.map((dimValue) => ({ dimValue })) } } } }
}
