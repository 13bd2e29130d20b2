// Apart from hyparquet.ts: brotli's dictionary alone is larger than all else.
export { compressors, decompressZstd } from 'hyparquet-compressors'
