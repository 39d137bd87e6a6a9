import { expect, test } from 'vitest'
import type { ServerName } from '../matrix/ids.ts'
import type { JsonObject } from '../matrix/json.ts'
import { admitsServer } from './server-acl.ts'

const admits = (content: JsonObject, name: string): boolean => admitsServer(content, name as ServerName)

test('without a list of the allowed nobody is', () => {
  expect(admits({}, 'a.example')).toBe(false)
  expect(admits({ allow: 'a.example' }, 'a.example')).toBe(false)
  expect(admits({ allow: [5, 'a.example'] }, 'a.example')).toBe(true)
})

test('who is denied is not allowed, whatever the case and the port', () => {
  const content = { allow: ['*'], deny: ['*.Evil.example', 'b?d.example'] }
  expect(admits(content, 'a.evil.example')).toBe(false)
  expect(admits(content, 'A.EVIL.EXAMPLE:8448')).toBe(false)
  expect(admits(content, 'evil.example')).toBe(true)
  expect(admits(content, 'bad.example')).toBe(false)
  expect(admits(content, 'bd.example')).toBe(true)
})

test('addresses can be shut out', () => {
  const content = { allow: ['*'], allow_ip_literals: false }
  expect(admits(content, '192.0.2.1')).toBe(false)
  expect(admits(content, '192.0.2.1:8448')).toBe(false)
  expect(admits(content, '[2001:db8::1]:8448')).toBe(false)
  expect(admits(content, 'a.example')).toBe(true)
  expect(admits({ allow: ['*'] }, '[2001:db8::1]')).toBe(true)
})

test('a glob is about the whole name', () => {
  expect(admits({ allow: ['a*b*c'] }, 'a.b.b.c')).toBe(true)
  expect(admits({ allow: ['a*b*c'] }, 'a.b.b.cd')).toBe(false)
  expect(admits({ allow: ['**'] }, 'x')).toBe(true)
  expect(admits({ allow: ['a.*'] }, 'b.a.x')).toBe(false)
})
