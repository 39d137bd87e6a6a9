import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { initialsOf, nameOf, tintOf } from './initials.ts'

test.each([
  ['Alice Liddell', 'AL'],
  ['alice', 'A'],
  ['The Mad Hatter', 'TH'],
  ['white_rabbit', 'WR'],
  ['  bob  ', 'B'],
  ['Ünal Şahin', 'ÜŞ'],
  ['e\u0301mile zola', 'E\u0301Z'],
  ['山田 太郎', '山太'],
  ['R2 D2', 'RD'],
  ['☆ Stella ☆', 'S'],
  ['(bob)', 'B'],
  ['🦊', '?'],
  ['', '?'],
])('the initials of "%s" are %s', (name, initials) => {
  expect(initialsOf(name)).toBe(initials)
})

test('a person is called by the chosen name, else by the first part of the ID', () => {
  expect(nameOf({ userId: '@bob:hs', displayname: ' Bob ' })).toBe('Bob')
  expect(nameOf({ userId: '@bob:hs', displayname: ' ' })).toBe('bob')
  expect(nameOf({ userId: '@bob:hs:8008' })).toBe('bob')
})

test('any name has initials and any ID one of six tints', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), (text) => {
      expect(initialsOf(text)).not.toBe('')
      expect([0, 1, 2, 3, 4, 5]).toContain(tintOf(text))
    }),
  )
  expect(new Set(Array.from({ length: 50 }, (_, i) => tintOf(`@user${i}:hs`))).size).toBe(6)
})
