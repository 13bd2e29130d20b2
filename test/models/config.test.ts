import { encoderConfig, maxTokens } from '../../src/models/config'
import { assert, test } from '../harness'
import { robertaBase } from './fixtures'

const read = (more: Record<string, unknown> = {}, choice = {}) => encoderConfig({ ...robertaBase, ...more }, 'm/config.json', choice)

test("what a file leaves out is transformers' default; null counts as absent", () => {
  const config = read({ classifier_dropout: null, pad_token_id: null, problem_type: null })
  const { modelType, padTokenId, layerNormEps, hiddenAct, hiddenDropoutProb, attentionProbsDropoutProb, classifierDropout } = config
  assert.equal([modelType, padTokenId, layerNormEps, hiddenAct], ['roberta', 1, 1e-12, 'gelu'])
  assert.equal([hiddenDropoutProb, attentionProbsDropoutProb, classifierDropout], [0.1, 0.1, 0.1])
  assert.is(read({ hidden_dropout_prob: 0.3 }).classifierDropout, 0.3)
  assert.is(read({ hidden_dropout_prob: 0.3, classifier_dropout: 0 }).classifierDropout, 0)
  assert.equal([config.numLabels, config.id2label, config.problemType], [2, ['LABEL_0', 'LABEL_1'], 'single_label_classification'])
  assert.is(read({ layer_norm_eps: 1e-5 }).layerNormEps, 1e-5)
})

test('512 tokens for RoBERTa-base and for BERT-base', () => {
  assert.is(maxTokens(read()), 512)
  assert.is(maxTokens(read({ model_type: 'bert', max_position_embeddings: 512 })), 512)
})

test("labels: the file's, or the caller's", () => {
  const three = { id2label: { 0: 'no', 1: 'maybe', 2: 'yes' } }
  assert.equal(read(three).id2label, ['no', 'maybe', 'yes'])
  assert.equal(read(three, { numLabels: 3 }).id2label, ['no', 'maybe', 'yes'])
  assert.equal(read(three, { numLabels: 2 }).id2label, ['LABEL_0', 'LABEL_1'])
  assert.equal(read(three, { id2label: ['ham', 'spam'] }).id2label, ['ham', 'spam'])
  assert.equal(read(three, { id2label: ['ham', 'spam'], numLabels: 2 }).numLabels, 2)
  assert.is(read({ num_labels: 7 }).numLabels, 7)
  assert.is(read(three, { numLabels: 1 }).problemType, 'regression')
  assert.is(read({ ...three, problem_type: 'regression' }).problemType, 'regression')
})

const bad: [string, Record<string, unknown>, RegExp][] = [
  [
    'an unknown architecture',
    { model_type: 'mamba' },
    /model_type: wanted "roberta" or "bert", got "mamba": this architecture is not supp/,
  ],
  ['no architecture', { model_type: undefined }, /model_type: wanted "roberta" or "bert", got undefined/],
  ['a missing size', { vocab_size: undefined }, /vocab_size: wanted a whole number from 1 to 10000000, got undefined/],
  ['a size that is a text', { hidden_size: '768' }, /hidden_size: wanted a whole number from 1 to 10000000, got "768"/],
  ['a size of zero', { intermediate_size: 0 }, /intermediate_size: wanted a whole number from 1 to 10000000, got 0/],
  ['a size that is not whole', { max_position_embeddings: 1.5 }, /max_position_embeddings: wanted a whole .*, got 1.5/],
  ['more layers than any model has', { num_hidden_layers: 1e6 }, /num_hidden_layers: wanted a whole number from 1 to 1000, got 1000000/],
  ['heads that do not divide the width', { num_attention_heads: 7 }, /hidden_size: wanted a multiple of num_attention_heads 7, got 768/],
  ['a padding token outside the vocabulary', { pad_token_id: 50265 }, /pad_token_id: wanted a whole number from 0 to 50264, got 50265/],
  ['a negative padding token', { pad_token_id: -1 }, /pad_token_id: wanted .*, got -1/],
  [
    'a position table without room for a token',
    { max_position_embeddings: 2 },
    /max_position_embeddings: wanted more than pad_token_id 1 \+ 1, got 2/,
  ],
  ['an unknown activation', { hidden_act: 'swish' }, /hidden_act: wanted "gelu" or .* or "relu", got "swish"/],
  ['relative positions', { position_embedding_type: 'relative_key' }, /position_embedding_type: wanted "absolute", got "relative_key"/],
  ['a decoder', { is_decoder: true }, /is_decoder: wanted false, got true/],
  ['cross-attention', { add_cross_attention: true }, /add_cross_attention: wanted false, got true/],
  [
    'a problem that it does not know',
    { problem_type: 'ranking' },
    /problem_type: wanted "regression" or "single_.* or "multi_.*, got "ranking"/,
  ],
  ['a dropout of 1', { hidden_dropout_prob: 1 }, /hidden_dropout_prob: wanted a number from 0 up to, not including, 1, got 1/],
  ['a negative dropout', { classifier_dropout: -0.1 }, /classifier_dropout: wanted .*, got -0.1/],
  ['a dropout that is a text', { attention_probs_dropout_prob: '0.1' }, /attention_probs_dropout_prob: wanted .*, got "0.1"/],
  ['a negative eps', { layer_norm_eps: -1e-5 }, /layer_norm_eps: wanted .*, got -0.00001/],
  ['label names that are a list of numbers', { id2label: [0, 1] }, /id2label, class 0 of 2: wanted a name, got 0/],
  ['label names with a gap', { id2label: { 0: 'a', 2: 'b' } }, /id2label, class 1 of 2: wanted a name, got undefined/],
  ['label names that are a text', { id2label: 'ab' }, /id2label: wanted an object with 1 to 100000 names, got "ab"/],
  ['no label names', { id2label: {} }, /id2label: wanted an object with 1 to 100000 names, got {}/],
  ['a number of labels that is a text', { num_labels: '3' }, /num_labels: wanted a whole number from 1 to 100000, got "3"/],
]
for (const [what, more, message] of bad)
  test(`refuses ${what}, naming file and key`, () => assert.rejects(() => read(more), new RegExp(`^m/config\\.json: ${message.source}`)))

test('refuses choices that make no labels', async () => {
  await assert.rejects(() => read({}, { numLabels: 0 }), /^fromPretrained: numLabels: wanted a whole number from 1 to 100000, got 0/)
  await assert.rejects(() => read({}, { numLabels: 2.5 }), /numLabels: wanted .*, got 2.5/)
  await assert.rejects(() => read({}, { id2label: [] }), /^fromPretrained: id2label: wanted at least one name, got \[\]/)
  await assert.rejects(() => read({}, { numLabels: 2, id2label: ['a', 'b', 'c'] }), /id2label: wanted numLabels 2 names, got 3/)
})
