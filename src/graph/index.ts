export { accumulate, elementwise } from './accumulate'
export { cellsOf, halves, type Range, rowRanges, wantF32 } from './ranges'
export { backward, backwardAll, checkpoint, noGrad, tape } from './tape'
export { bytesOf, type DType, type FloatDType, type Node, Tensor } from './tensor'
