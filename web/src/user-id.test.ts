import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { readUserId } from './user-id.ts'

const OWN = '@alice:home.example:8448'

test.each([
  ['@bob:remote.example', '@bob:remote.example'],
  ['  @bob:remote.example\n', '@bob:remote.example'],
  ['bob:remote.example', '@bob:remote.example'],
  ['bob', '@bob:home.example:8448'],
  ['@bob', '@bob:home.example:8448'],
  ['@bob:localhost:8008', '@bob:localhost:8008'],
  ['@bob:[::1]:8008', '@bob:[::1]:8008'],
  // Of old, nearly everything was allowed in a name.
  ['@Bob+Ä=/.-:remote.example', '@Bob+Ä=/.-:remote.example'],
])('"%s" means %s', (typed, userId) => {
  expect(readUserId(typed, OWN)).toEqual({ kind: 'id', userId })
})

test.each([
  ['', /Type the user ID/],
  ['   ', /Type the user ID/],
  ['alice', /That is you/],
  [OWN, /That is you/],
  ['@:remote.example', /name before the colon/],
  [':remote.example', /name before the colon/],
  ['@', /name before the colon/],
  ['@bob:', /server after the colon/],
  ['@bob:remote/example', /server after the colon/],
  ['@bob smith:remote.example', /no spaces/],
  [`@${'b'.repeat(250)}:remote.example`, /too long/],
  [`@${'ä'.repeat(125)}:remote.example`, /too long/],
])('"%s" is explained', (typed, text) => {
  expect(readUserId(typed, OWN)).toEqual({ kind: 'problem', text: expect.stringMatching(text) as string })
})

test('whatever is typed, an ID has a name and a server, or there is a sentence', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), (typed) => {
      const read = readUserId(typed, OWN)
      if (read.kind === 'id') expect(read.userId).toMatch(/^@[^:\s]+:\S+$/)
      else expect(read.text).toMatch(/\.$/)
    }),
  )
})
