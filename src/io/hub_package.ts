// What a page needs of the hub's package: named here, so that the rest of it stays out of the bundle.
export { datasetInfo, HUB_URL, listFiles, modelInfo } from '@huggingface/hub'
