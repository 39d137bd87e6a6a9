import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { readExamples, replay } from '../support/docs-examples.ts'

const document = readFileSync('docs/API.md', 'utf8')
const sections = readExamples(document)

describe('the examples of docs/API.md are what a server answers', () => {
  for (const section of sections) test(section.title, () => replay(section))

  test('none of them is left out', () => {
    const played = sections.flatMap(({ steps }) => steps.filter(({ kind }) => kind === 'exchange'))
    expect(played.length).toBe(document.match(/^```http$/gm)?.length)
    expect(played.length).toBeGreaterThan(10)
  })
})
