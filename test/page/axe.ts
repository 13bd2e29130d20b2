import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import type { Page } from 'playwright-core'
import { assert } from '../harness'

/** Accessible by the rules of axe-core, in light and dark. */
export async function axe(page: Page): Promise<void> {
  const source = readFileSync(createRequire(import.meta.url).resolve('axe-core'), 'utf8')
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' })
    await page.evaluate(source)
    const violations = await page.evaluate(async () => {
      const { axe } = globalThis as unknown as { axe: { run(): Promise<{ violations: { id: string; nodes: { html: string }[] }[] }> } }
      return (await axe.run()).violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.html).join(' ')}`)
    })
    assert.equal(violations, [], colorScheme)
  }
}
