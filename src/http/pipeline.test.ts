import { expect, test } from 'vitest'
import { limitKey } from './pipeline.ts'

test('a rate limit counts an IPv4 address alone and a /64 of IPv6 as one', () => {
  expect(limitKey('192.0.2.7')).toBe('192.0.2.7')
  expect(limitKey('2001:db8:1:2:3:4:5:6')).toBe('2001:db8:1:2::/64')
  expect(limitKey('2001:db8:1:2::6')).toBe('2001:db8:1:2::/64')
  expect(limitKey('2001:db8::1')).toBe('2001:db8:0:0::/64')
  expect(limitKey('fe80::1%eth0')).toBe('fe80:0:0:0::/64')
  expect(limitKey('::1')).toBe('0:0:0:0::/64')
})
