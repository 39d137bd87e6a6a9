import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { pickFields, splitFieldPath } from './event-fields.ts'
import type { JsonObject } from './json.ts'

const EVENT: JsonObject = {
  type: 'm.room.message',
  sender: '@a:b',
  event_id: '$1',
  origin_server_ts: 1,
  content: { body: 'b', msgtype: 'm.text', 'dotted.key': { deep: 1 } },
  unsigned: { age: 1 },
}

test('§6.12 only the named parts are kept, besides what clients cannot do without', () => {
  const needed = { type: 'm.room.message', sender: '@a:b', event_id: '$1', origin_server_ts: 1 }
  expect(pickFields(EVENT, [])).toEqual(needed)
  expect(pickFields(EVENT, ['content.body', 'content.msgtype', 'content.none'])).toEqual({
    ...needed,
    content: { body: 'b', msgtype: 'm.text' },
  })
  expect(pickFields(EVENT, [String.raw`content.dotted\.key.deep`])).toEqual({
    ...needed,
    content: { 'dotted.key': { deep: 1 } },
  })
  expect(pickFields(EVENT, ['content', 'content.body', 'unsigned']).content).toEqual(EVENT['content'])
})

test('a backslash before a dot or a backslash takes away its meaning', () => {
  expect(splitFieldPath(String.raw`a\.b.c`)).toEqual(['a.b', 'c'])
  expect(splitFieldPath(String.raw`a\\.b`)).toEqual(['a\\', 'b'])
  expect(splitFieldPath(String.raw`a\b`)).toEqual([String.raw`a\b`])
})

test('picking never changes the event and never touches prototypes', () => {
  fc.assert(
    fc.property(fc.array(fc.string()), fc.jsonValue(), (fields, content) => {
      const event = { ...EVENT, content } as JsonObject
      const before = JSON.stringify(event)
      pickFields(event, [...fields, 'content', '__proto__.polluted', 'content.__proto__.polluted'])
      expect(JSON.stringify(event)).toBe(before)
      expect({}).not.toHaveProperty('polluted')
    }),
  )
  const hostile = JSON.parse('{"type":"t","content":{"__proto__":{"polluted":1}}}') as JsonObject
  const picked = pickFields(hostile, ['content.__proto__.polluted'])
  expect(JSON.stringify(picked)).toBe('{"type":"t","content":{"__proto__":{"polluted":1}}}')
})
