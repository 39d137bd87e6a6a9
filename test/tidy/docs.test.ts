import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { DOCUMENTS } from '../../scripts/docs.ts'

for (const [file, text] of Object.entries(DOCUMENTS)) {
  test(`${file} is what its table says now (npm run docs)`, async () => {
    expect(readFileSync(file, 'utf8')).toBe(await text())
  })
}
