import { shaders } from 'condlora:build'
import { doctor } from '../../src/doctor'
import type { Case, Constants } from '../../src/doctor/check'
import { allSubjects, kernelName, type Subject } from '../../src/doctor/subjects'
import type { Device } from '../../src/gpu'
import { assert, openTestDevice, test } from '../harness'
import { hits, withBroken } from './broken'
import { mutations } from './mutations'

const files = Object.keys(shaders)

/** What a kernel is checked against does not change with its text: made once. */
function remembered(subject: Subject): Subject {
  let made: Case[] | undefined
  const { check } = subject
  return { ...subject, check: { ...check, cases: (constants, random) => (made ??= check.cases(constants, random)) } }
}
let all: Subject[] | undefined
const subjectsOf = (device: Device) => (all ??= allSubjects(device).map(remembered))

test('the table breaks every form of every kernel, each text where it stands alone', async () => {
  const subjects = allSubjects(await openTestDevice())
  assert.equal([...new Set(subjects.map((s) => s.file))].sort(), files.sort())
  for (const mutation of mutations) {
    assert.is(shaders[mutation.file].split(mutation.find).length, 2, `${mutation.file}: ${mutation.find}: once in the file`)
    assert.ok(
      subjects.some((s) => hits(mutation, s.file, s.constants)),
      `${mutation.file}: ${mutation.find}: breaks nothing`,
    )
  }
  for (const { name, file, constants } of subjects)
    assert.ok(
      mutations.some((mutation) => hits(mutation, file, constants)),
      `${name} is never broken`,
    )
})

/** Which of the forms that have a text are broken this time: those that were not yet, else one of them; compiling is slow. */
function turn(names: string[], before: Set<string>, i: number): string[] {
  const fresh = names.filter((name) => !before.has(name))
  for (const name of fresh) before.add(name)
  return fresh.length ? fresh : names.slice(i % names.length, (i % names.length) + 1)
}

for (const file of files) {
  const before = new Set<string>()
  for (const [i, mutation] of mutations.filter((each) => each.file === file).entries())
    test(
      `${file}, ${mutation.find} → ${mutation.replace}: the broken forms are named, and nothing else`,
      async () => {
        const device = await openTestDevice()
        const subjects = subjectsOf(device)
        // No other file has this text: all of them are looked at once, the file's own forms each time.
        const some = i === 0 ? subjects : subjects.filter((s) => s.file === file)
        const broken = turn(
          some.filter((s) => !s.skip && hits(mutation, s.file, s.constants)).map((s) => s.name),
          before,
          i,
        )
        const when = (constants: Constants) => broken.includes(kernelName(file, 'main', constants))
        const results = await withBroken(device, { ...mutation, when }, () => doctor(device, { subjects: some }))
        const wrong = results.filter((r) => !r.ok).map((r) => r.name)
        assert.equal(wrong, broken)
      },
      { timeoutMs: 600_000 },
    )
  test(`every form of ${file} was broken`, async () => {
    const never = subjectsOf(await openTestDevice()).filter((s) => s.file === file && !s.skip && !before.has(s.name))
    assert.equal(
      never.map((s) => s.name),
      [],
    )
  })
}
