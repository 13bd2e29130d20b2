import { createHash } from 'node:crypto'
import { AutoTokenizer, collate } from '../../src/data'
import { emailText } from '../../src/demo/email'
import { loadSpam } from '../../src/demo/spam'
import { memoryFiles } from '../../src/io'
import { assert, fixture, test } from '../harness'

interface TokenIds {
  inputIds: number[][]
  attentionMask: number[][]
  labels: number[]
}

const spam = loadSpam()

test('the texts of all emails are those that the Python program makes', async () => {
  // sha256 of the texts of clean.py, joined by NUL, over the rows of spam_split.json
  const digest = (rows: { text: string }[]) =>
    createHash('sha256')
      .update(rows.map((r) => r.text).join('\0'))
      .digest('hex')
  const { train, test: held } = await spam
  assert.equal([train.length, held.length], [4329, 1471])
  assert.is(digest(train), '2d0c5839773a0c9e34cd78875ac90f58024c94d4f02f040338791bfe280065a3')
  assert.is(digest(held), '163ccdfc10fb58ab09efc4264df403821d72975999eed11171889c071ac7f540')
  assert.is((held.filter((r) => r.label).length / held.length).toFixed(3), '0.296')
})

test('the first 80 emails give the token ids that transformers gives', async () => {
  const wanted = JSON.parse(new TextDecoder().decode(await fixture('tokenizers/spam_batches.json'))) as TokenIds[]
  const names = ['tokenizer.json', 'tokenizer_config.json']
  const entries = await Promise.all(names.map(async (n): Promise<[string, Uint8Array]> => [n, await fixture(`models/roberta-mini/${n}`)]))
  const tokenizer = await AutoTokenizer.fromPretrained(memoryFiles('roberta-mini', entries))
  const { train } = await spam
  assert.is(wanted.length, 10)
  wanted.forEach(({ inputIds, attentionMask, labels }, i) => {
    const rows = train.slice(8 * i, 8 * i + 8)
    const got = collate(
      tokenizer.encodeBatch(
        rows.map((r) => r.text),
        { maxLength: 64 },
      ),
      { padTokenId: tokenizer.padTokenId, padToMultipleOf: 1 },
    )
    assert.equal([...got.inputIds], inputIds.flat())
    assert.equal([...got.attentionMask], attentionMask.flat())
    assert.equal(
      rows.map((r) => r.label),
      labels,
    )
  })
})

test('what is stripped from an email', () => {
  const raw =
    'From: x\nSubject:  Hi  there \nTo: y\n\n--boundary\nContent-Type: text/html\n<SCRIPT>\nx</Script>a<br\n>b &amp; c&nbsp;d =41=\n=20e\n\tcharset="x"\n'
  assert.is(emailText(raw), 'Hi there\n a b & c\u00a0d A e')
  const odd = `Subject: s\x85\n\n\x1fQUJD${'A'.repeat(60)}\n=3Cb=3E &#8255 &notit; &nbspx\n--x\n`
  assert.is(emailText(odd), `s\n\x1fQUJD${'A'.repeat(60)}\n<b> \u203f \xacit; \xa0x`)
  assert.is(emailText('no body'), '')
})
