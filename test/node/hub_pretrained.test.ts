// Model, tokenizer, adapter and data by their names on the hub.
import { AutoTokenizer, loadDataset } from '../../src/data'
import { type Files, memoryFiles, openHub } from '../../src/io'
import { AutoModelForSequenceClassification } from '../../src/models/auto'
import { getPeftModel, PeftModel } from '../../src/peft'
import { assert, fixture, openTestDevice, test } from '../harness'
import { tinyFiles } from '../tiny'
import { bytes, commit, withHub } from './hub_fixture'
import { gitHash, type Repo } from './hub_server'

const branch = 'fedcba9876543210fedcba9876543210fedcba98'

async function contents(files: Files): Promise<Record<string, Uint8Array>> {
  const names = await files.list()
  return Object.fromEntries(await Promise.all(names.map(async (n) => [n, await files.read(n)])))
}

async function repositories(): Promise<{ repos: Repo[]; logits: number[] }> {
  const device = await openTestDevice()
  const local = await AutoModelForSequenceClassification.fromPretrained(tinyFiles(), { device, notice: () => {} })
  const saved = memoryFiles('adapter')
  const adapter = await getPeftModel(local, { peftType: 'CONDLORA', r: 2 })
  await adapter.savePretrained(saved)
  const own = await contents(tinyFiles())
  const tokenizer = { 'tokenizer.json': await fixture('models/roberta-mini/tokenizer.json'), 'tokenizer_config.json': bytes('{}') }
  const unasked = { 'pytorch_model.bin': bytes('never opened'), 'README.md': bytes('# x') }
  const table = bytes('text,label\nyes,1\nno,0\n')
  return {
    repos: [
      {
        id: 'owner/base',
        commit,
        refs: { next: branch },
        files: { ...own, ...tokenizer, ...unasked },
        large: ['model.safetensors'],
        gated: true,
      },
      { id: 'owner/adapter', commit, files: await contents(saved), large: ['adapter_model.safetensors'] },
      { id: 'owner/data', type: 'dataset', commit, files: { 'train.csv': table } },
    ],
    logits: [...(await (await adapter.logits(tokens)).data())],
  }
}

const tokens = { inputIds: [[0, 40, 41, 2]], attentionMask: [[1, 1, 1, 1]] }

test('from the hub: tokenizer, model, adapter, data, each with the options of transformers; nothing that is not asked for', async () => {
  const { repos, logits } = await repositories()
  const token = 'hf_a'
  const device = await openTestDevice()
  await withHub(
    repos,
    async ({ server, cacheDir, downloads }) => {
      const options = { endpoint: server.url, cacheDir, token, revision: 'next', notice: () => {} }
      const tokenizer = await AutoTokenizer.fromPretrained('owner/base', options)
      assert.is(tokenizer.decode(tokenizer.encode('hello', null, { addSpecialTokens: false }).ids).trim(), 'hello')
      assert.equal(
        downloads().map((d) => d.path.split('/').pop()),
        ['tokenizer.json', 'tokenizer_config.json'],
      )
      const model = await AutoModelForSequenceClassification.fromPretrained('owner/base', { ...options, device })
      assert.is(model.nameOrPath, 'owner/base')
      const files: string[] = []
      const peft = await PeftModel.fromPretrained(model, 'owner/adapter', {
        ...options,
        revision: undefined,
        token: false,
        progress: ({ file }) => files.includes(file) || files.push(file),
      })
      assert.equal(files.sort(), ['adapter_config.json', 'adapter_model.safetensors'])
      assert.equal([...(await (await peft.logits(tokens)).data())], logits)
      const asked = downloads().map((d) => d.path)
      assert.ok(asked.filter((p) => p.includes('/owner/base/')).every((p) => p.includes(branch)))
      assert.ok(!asked.some((p) => /pytorch_model|README/.test(p)))
      const data = await openHub('owner/data', { ...options, revision: 'main', repoType: 'dataset' })
      const { train } = await loadDataset('csv', { train: { files: data, path: 'train.csv' } }, { text: 'text', label: 'label' })
      assert.equal(train.rows, [
        { text: 'yes', label: 1 },
        { text: 'no', label: 0 },
      ])
      // Offline, all of it again; then what is lacking.
      await server.close()
      const offline = { ...options, localFilesOnly: true }
      await AutoTokenizer.fromPretrained('owner/base', offline)
      const again = await AutoModelForSequenceClassification.fromPretrained('owner/base', { ...offline, device })
      await PeftModel.fromPretrained(again, 'owner/adapter', { ...offline, revision: undefined })
      const both =
        /there is no folder "owner\/base", and the hub gave nothing: nothing of the model owner\/base, revision main, is in the cache/
      await assert.rejects(() => AutoTokenizer.fromPretrained('owner/base', { ...offline, revision: 'main' }), both)
    },
    token,
  )
})

const tinyConfigBytes = await tinyFiles().read('config.json')

test('a hostile index: a shard outside the folder is refused', () =>
  withHub(
    [
      {
        id: 'owner/shards',
        commit,
        files: { 'model.safetensors.index.json': bytes('{"weight_map":{"a":"../../x"}}'), 'config.json': tinyConfigBytes },
      },
    ],
    async ({ open }) => {
      const device = await openTestDevice()
      const files = await open()
      await assert.rejects(
        () => AutoModelForSequenceClassification.fromPretrained(files, { device }),
        /owner\/shards\/model\.safetensors\.index\.json: the file name "\.\.\/\.\.\/x" is not a plain name inside its folder/,
      )
    },
  ))

test('the stand-in gives git the hash that git gives', () => {
  assert.is(gitHash(bytes('hello\n')), 'ce013625030ba8dba906f756967f9e9ca394464a')
})
