import type { Columns } from './rows'

/** GLUE's nine tasks with training data, as `datasets` names them. */
export type GlueName = 'cola' | 'sst2' | 'mrpc' | 'stsb' | 'qqp' | 'mnli' | 'qnli' | 'rte' | 'wnli'

/** The columns of a task in the TSV files of the classic download, where they differ from the parquet files'. */
export interface GlueTsv {
  folder: string
  columns: Columns
  /** Of training and validation files without a header (CoLA); their test file has one. */
  header?: readonly string[]
}

/** What a task of GLUE asks for: its columns, classes and metrics. */
export interface GlueTask {
  /** In the parquet files of nyu-mll/glue. */
  columns: Columns
  /** By number; none: a regression. */
  labelNames?: readonly string[]
  /** 1: a regression. */
  numLabels: number
  /** As GLUE reports them, named as the Trainer's. */
  metrics: readonly ('accuracy' | 'f1' | 'matthews' | 'pearson' | 'spearman')[]
  /** What the paper chooses the best model by: for the Trainer's metricForBestModel, with greaterIsBetter. */
  metricForBestModel: 'evalAccuracy' | 'evalMatthews' | 'evalPearson'
  validation: readonly string[]
  test: readonly string[]
  tsv: GlueTsv
}

const one = { validation: ['validation'], test: ['test'] }
const accuracy = { metrics: ['accuracy'], metricForBestModel: 'evalAccuracy' } as const
const withF1 = { metrics: ['accuracy', 'f1'], metricForBestModel: 'evalAccuracy' } as const
const pair = (text: string, textPair: string): Columns => ({ text, textPair, label: 'label' })
const entailment = ['entailment', 'not_entailment']

/** GLUE's nine tasks (Wang et al. 2019), with the labels of nyu-mll/glue. */
export const glueTasks: Readonly<Record<GlueName, GlueTask>> = {
  cola: {
    columns: { text: 'sentence', label: 'label' },
    labelNames: ['unacceptable', 'acceptable'],
    numLabels: 2,
    metrics: ['matthews'],
    metricForBestModel: 'evalMatthews',
    ...one,
    tsv: { folder: 'CoLA', columns: { text: 'sentence', label: 'label' }, header: ['source', 'label', 'mark', 'sentence'] },
  },
  sst2: {
    columns: { text: 'sentence', label: 'label' },
    labelNames: ['negative', 'positive'],
    numLabels: 2,
    ...accuracy,
    ...one,
    tsv: { folder: 'SST-2', columns: { text: 'sentence', label: 'label' } },
  },
  mrpc: {
    columns: pair('sentence1', 'sentence2'),
    labelNames: ['not_equivalent', 'equivalent'],
    numLabels: 2,
    ...withF1,
    ...one,
    tsv: { folder: 'MRPC', columns: { text: '#1 String', textPair: '#2 String', label: 'Quality' } },
  },
  stsb: {
    columns: pair('sentence1', 'sentence2'),
    numLabels: 1,
    metrics: ['pearson', 'spearman'],
    metricForBestModel: 'evalPearson',
    ...one,
    tsv: { folder: 'STS-B', columns: { text: 'sentence1', textPair: 'sentence2', label: 'score' } },
  },
  qqp: {
    columns: pair('question1', 'question2'),
    labelNames: ['not_duplicate', 'duplicate'],
    numLabels: 2,
    ...withF1,
    ...one,
    tsv: { folder: 'QQP', columns: { text: 'question1', textPair: 'question2', label: 'is_duplicate' } },
  },
  mnli: {
    columns: pair('premise', 'hypothesis'),
    labelNames: ['entailment', 'neutral', 'contradiction'],
    numLabels: 3,
    ...accuracy,
    validation: ['validation_matched', 'validation_mismatched'],
    test: ['test_matched', 'test_mismatched'],
    tsv: { folder: 'MNLI', columns: { text: 'sentence1', textPair: 'sentence2', label: 'gold_label' } },
  },
  qnli: {
    columns: pair('question', 'sentence'),
    labelNames: entailment,
    numLabels: 2,
    ...accuracy,
    ...one,
    tsv: { folder: 'QNLI', columns: pair('question', 'sentence') },
  },
  rte: {
    columns: pair('sentence1', 'sentence2'),
    labelNames: entailment,
    numLabels: 2,
    ...accuracy,
    ...one,
    tsv: { folder: 'RTE', columns: pair('sentence1', 'sentence2') },
  },
  wnli: {
    columns: pair('sentence1', 'sentence2'),
    labelNames: [...entailment].reverse(),
    numLabels: 2,
    ...accuracy,
    ...one,
    tsv: { folder: 'WNLI', columns: pair('sentence1', 'sentence2') },
  },
}
