export { type Batch, type CollateOptions, collate } from './collate'
export { type DataFile, type DataFormat, type Dataset, loadDataset, type Row } from './dataset'
export type { Columns } from './rows'
export { AutoTokenizer, type EncodeOptions, type Encoding, Tokenizer } from './tokenizer'
