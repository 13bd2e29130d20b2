// Folders of the browser's own file system, of a user, and dropped files.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { chromium } from 'playwright-core'
import { assert, test } from '../harness'
import { chromiumOptions } from './chromium'
import { insidePath, withPage } from './inside'
import { serveTests } from './suite'

test('a folder: made by the first write, lists, reads ranges, writes streams, leaves no temporary files', () =>
  withPage('io', async (page) => {
    const seen = await page.evaluate(async () => {
      const { openFolder, openFile } = io
      const bytes = (s: string) => new TextEncoder().encode(s)
      const text = async (read: Promise<Uint8Array>) => new TextDecoder().decode(await read)
      const message = (work: Promise<unknown>) =>
        work.then(
          () => 'no error',
          (e) => e.message as string,
        )
      const files = openFolder('runs/new')
      const before = await message(files.list())
      await files.write('sub/a.txt', bytes('hello'))
      await files.write(
        'b.txt',
        (async function* () {
          yield bytes('one ')
          yield bytes('two')
        })(),
      )
      await files.write('sub/a.txt', bytes('hello again'))
      const broken = (async function* () {
        yield bytes('half')
        throw new Error('the source broke')
      })()
      const file = openFile('runs/new/b.txt')
      const seen = {
        before,
        broken: await message(files.write('b.txt', broken)),
        list: await files.list(),
        above: await openFolder('.').list(),
        sizes: [await files.size('b.txt'), await files.size('sub'), await files.size('b.txt/none'), await files.size('none')],
        reads: [await text(files.read('sub/a.txt', 6)), await text(files.read('b.txt', 4, 6)), await text(file.files.read(file.path))],
        refused: [
          await message(files.read('b.txt', 0, 9)),
          await message(files.read('none')),
          await message(files.read('sub')),
          await message(files.write('b.txt/x', bytes('x'))),
          await message(files.write('../x', bytes('x'))),
        ],
      }
      await files.remove?.('none')
      await files.remove?.('sub')
      await files.remove?.('sub/a.txt')
      const folders: string[] = []
      for await (const name of (await navigator.storage.getDirectory()).keys()) folders.push(name)
      return { ...seen, left: await files.list(), folders }
    })
    assert.match(seen.before, /cannot list runs\/new: there is no such file or folder/)
    assert.match(seen.broken, /cannot write runs\/new\/b\.txt: the source broke/)
    assert.equal(seen.list, ['b.txt', 'sub/a.txt'])
    assert.equal(seen.above, ['runs/new/b.txt', 'runs/new/sub/a.txt'])
    assert.equal(seen.sizes, [7, undefined, undefined, undefined])
    assert.equal(seen.reads, ['again', 'tw', 'one two'])
    assert.match(seen.refused[0], /cannot read runs\/new\/b\.txt: the file ends at byte 7, wanted 9/)
    assert.match(seen.refused[1], /cannot read runs\/new\/none: there is no such file or folder/)
    assert.match(seen.refused[2], /cannot read runs\/new\/sub: there is no such file or folder/)
    assert.match(seen.refused[3], /cannot write runs\/new\/b\.txt\/x: a part of the path is a file, not a folder/)
    assert.match(seen.refused[4], /not a plain name inside its folder/)
    assert.equal(seen.left, ['b.txt'])
    assert.equal(seen.folders, ['runs'])
  }))

test('many at once write one file: all succeed, the file is what one of them wrote, nothing else is left', () =>
  withPage('io', async (page) => {
    const seen = await page.evaluate(async () => {
      const files = io.openFolder('runs/crowd')
      const write = (i: number) =>
        files.write('refs/main', new Uint8Array(5000).fill(i)).then(
          () => 'written',
          (e) => e.message as string,
        )
      const outcomes = new Set<string>()
      for (let round = 0; round < 20; round++)
        for (const found of await Promise.all(Array.from({ length: 8 }, (_, i) => write(i)))) outcomes.add(found)
      const bytes = await files.read('refs/main')
      return { outcomes: [...outcomes], list: await files.list(), alike: bytes.length === 5000 && new Set(bytes).size === 1 }
    })
    assert.equal(seen, { outcomes: ['written'], list: ['refs/main'], alike: true })
  }))

test('where the browser cannot rename, and in a worker: the same', () =>
  withPage('io', async (page) => {
    const check = async () => {
      const files = io.openFolder('folder')
      const bytes = (s: string) => new TextEncoder().encode(s)
      await files.write('a', bytes('old'))
      await files.write('a', bytes('new one'))
      await files.write('none', new Uint8Array())
      return { list: await files.list(), a: new TextDecoder().decode(await files.read('a')), none: await files.size('none') }
    }
    const wanted = { list: ['a', 'none'], a: 'new one', none: 0 }
    const code = `import '/page/inside/io.js'; postMessage(await (${check})())`
    const inWorker = await page.evaluate(
      (code) =>
        new Promise((resolve, reject) => {
          const url = URL.createObjectURL(new Blob([code.replace("'/", `'${location.origin}/`)], { type: 'text/javascript' }))
          const worker = new Worker(url, { type: 'module' })
          worker.onmessage = ({ data }) => resolve(data)
          worker.onerror = ({ message }) => reject(new Error(message))
        }),
      code,
    )
    assert.equal(inWorker, wanted)
    await page.evaluate(() =>
      Object.assign(FileSystemFileHandle.prototype, { move: () => Promise.reject(new DOMException('', 'NotAllowedError')) }),
    )
    assert.equal(await page.evaluate(check), wanted)
    await page.evaluate(() => Object.assign(FileSystemFileHandle.prototype, { move: undefined }))
    assert.equal(await page.evaluate(check), wanted)
  }))

test('no room: the error says for what and how much is free, the old file stays and nothing else', () =>
  withPage('io', async (page) => {
    const seen = await page.evaluate(async () => {
      const files = io.openFolder('folder')
      await files.write('a', new Uint8Array(10))
      const { write } = FileSystemWritableFileStream.prototype
      FileSystemWritableFileStream.prototype.write = () => Promise.reject(new DOMException('quota', 'QuotaExceededError'))
      const error = await files.write('a', new Uint8Array(2_500_000)).then(
        () => 'no error',
        (e) => e.message as string,
      )
      FileSystemWritableFileStream.prototype.write = write
      return { error, list: await files.list(), size: await files.size('a') }
    })
    assert.match(
      seen.error,
      /^cannot write folder\/a: there is no room for its 2\.5 MB \(of \d+\.\d MB for this site \d+\.\d MB are free\): remove/,
    )
    assert.equal([seen.list, seen.size], [['a'], 10])
  }))

test('folders of a user and dropped files: ranges are read, names are below the folder, nothing is written to what was dropped', () =>
  withPage('io', async (page) => {
    const seen = await page.evaluate(async () => {
      const root = await navigator.storage.getDirectory()
      const given = io.directoryFiles(await root.getDirectoryHandle('given', { create: true }))
      await given.write('sub/config.json', Uint8Array.of(1, 2, 3))
      const file = new File([Uint8Array.of(5, 6, 7, 8)], 'config.json')
      Object.defineProperty(file, 'webkitRelativePath', { value: 'model/sub/config.json' })
      const chosen = io.blobFiles('model', [file, ['b', new Blob(['b'])]])
      return {
        given: [given.name, await given.list(), [...(await given.read('sub/config.json', 1, 3))]],
        chosen: [await chosen.list(), [...(await chosen.read('sub/config.json', 1, 3))], await chosen.size('none')],
        errors: await Promise.all(
          [chosen.read('b', 0, 2), chosen.read('none'), chosen.write('b', new Uint8Array())].map((work) =>
            work.then(
              () => 'no error',
              (e) => e.message as string,
            ),
          ),
        ),
      }
    })
    assert.equal(seen.given, ['given', ['sub/config.json'], [2, 3]])
    assert.equal(seen.chosen, [['b', 'sub/config.json'], [6, 7], undefined])
    assert.match(seen.errors[0], /cannot read model\/b: the file ends at byte 1, wanted 2/)
    assert.match(seen.errors[1], /model: there is no file none/)
    assert.match(seen.errors[2], /model: files that were dropped or chosen cannot be written/)
  }))

test('a dropped folder of the disk: read as it lies there', () =>
  withPage('io', async (page) => {
    await page.evaluate(() => {
      document.body.style.height = '400px'
      document.body.ondragover = (event) => event.preventDefault()
      document.body.ondrop = (event) => {
        event.preventDefault()
        Object.assign(globalThis, { dropped: io.droppedFiles(event.dataTransfer!.items) })
      }
    })
    const cdp = await page.context().newCDPSession(page)
    const data = { items: [], files: [`${process.cwd()}/models/roberta-mini`], dragOperationsMask: 1 }
    for (const type of ['dragEnter', 'dragOver', 'drop'] as const) await cdp.send('Input.dispatchDragEvent', { type, x: 50, y: 50, data })
    const seen = await page.evaluate(async () => {
      const { dropped } = globalThis as unknown as { dropped: Promise<import('../../src/io').Files> }
      const files = await dropped
      return { name: files.name, list: await files.list(), start: new TextDecoder().decode(await files.read('config.json', 0, 1)) }
    })
    assert.is(seen.name, 'roberta-mini')
    assert.ok(seen.list.includes('model.safetensors'))
    assert.is(seen.start, '{')
  }))

test('a browser that crashes in the middle of a write: the old file stays, of a new one there is nothing', async () => {
  const profile = mkdtempSync(join(tmpdir(), 'condlora-profile-'))
  const server = await serveTests()
  const open = async () => {
    const context = await chromium.launchPersistentContext(profile, await chromiumOptions())
    const page = await context.newPage()
    await page.goto(`${server.url}/blank.html`)
    await page.addScriptTag({ type: 'module', url: insidePath('io') })
    return { context, page }
  }
  try {
    const { context, page } = await open()
    const sent = await page.evaluate(async () => {
      const files = io.openFolder('folder')
      await files.write('old', new Uint8Array(100_000).fill(1))
      let sent = 0
      const endless = async function* () {
        for (;;) {
          yield new Uint8Array(100_000).fill(2)
          sent++
          await new Promise((resolve) => setTimeout(resolve, 1))
        }
      }
      for (const name of ['old', 'new']) files.write(name, endless()).catch(() => {})
      while (sent < 20) await new Promise((resolve) => setTimeout(resolve, 5))
      return sent
    })
    assert.ok(sent >= 20)
    const gone = new Promise((resolve) => context.once('close', resolve))
    await (await context.newCDPSession(page)).send('Browser.crash').catch(() => {})
    await gone
    const again = await open()
    const seen = await again.page.evaluate(async () => {
      const files = io.openFolder('folder')
      const old = await files.read('old')
      return { old: old.length, right: old.every((b) => b === 1), new: await files.size('new') }
    })
    assert.equal(seen, { old: 100_000, right: true, new: undefined })
    await again.context.close()
  } finally {
    await server.close()
    rmSync(profile, { recursive: true, force: true })
  }
})
