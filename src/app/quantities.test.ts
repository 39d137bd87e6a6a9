import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { formatDuration, formatSize, parseDuration, parseSize } from './quantities.ts'

test('durations and sizes are read with their units', () => {
  expect(['0', '500ms', '30s', '5m', '1h', '7d', '2w'].map(parseDuration)).toEqual([
    0, 500, 30_000, 300_000, 3_600_000, 604_800_000, 1_209_600_000,
  ])
  expect(['0', '512', '512B', '64KiB', '1MiB', '2GiB'].map(parseSize)).toEqual([
    0, 512, 512, 65_536, 1_048_576, 2_147_483_648,
  ])
})

test('what has no unit, an unknown one, a sign or a fraction is not read', () => {
  for (const text of [
    '',
    '30',
    '-1s',
    '1.5h',
    '1 h',
    'h',
    '5M',
    '1y',
    '1hasOwnProperty',
    '999999999999999w',
  ]) {
    expect([text, parseDuration(text)]).toEqual([text, null])
  }
  for (const text of ['', '-1', '1.5MiB', '64KB', '64k', 'KiB', '1toString']) {
    expect([text, parseSize(text)]).toEqual([text, null])
  }
})

test('what is written is read as the same number', () => {
  fc.assert(
    fc.property(fc.maxSafeNat(), (quantity) => {
      fc.pre(quantity < 1e15)
      expect(parseDuration(formatDuration(quantity))).toBe(quantity)
      expect(parseSize(formatSize(quantity))).toBe(quantity)
    }),
  )
  expect([formatDuration(300_000), formatDuration(90_000), formatSize(65_536)]).toEqual([
    '5m',
    '90s',
    '64KiB',
  ])
})

test('no text is read as anything but a whole number that is not negative', () => {
  fc.assert(
    fc.property(fc.stringMatching(/^[0-9]{0,17}(ms|s|m|h|d|w|B|[KMG]iB)?$/), (text) => {
      for (const quantity of [parseDuration(text), parseSize(text)]) {
        expect(quantity === null || (Number.isSafeInteger(quantity) && quantity >= 0)).toBe(true)
      }
    }),
  )
})
