export { type Conversion, conversionMatrices, type Grid, type Part, parts, randomGrid, similarityGrid } from './conversion'
export { type AdaptedLayer, adaptedLayers } from './layers'
export { compareAdapters, type LayerSimilarity } from './similarity'
export { type Factored, phi, type Side, type Spaces, singularVectors, solver } from './spaces'
