// What is used of the package: the rest of it stays out of a page.
export { parquetMetadata, parquetRead } from 'hyparquet'
