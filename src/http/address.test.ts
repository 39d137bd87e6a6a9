import { expect, test } from 'vitest'
import { clientAddress, limitKey } from './address.ts'

test('a rate limit counts an IPv4 address alone and a /64 of IPv6 as one', () => {
  expect(limitKey('192.0.2.7')).toBe('192.0.2.7')
  expect(limitKey('2001:db8:1:2:3:4:5:6')).toBe('2001:db8:1:2::/64')
  expect(limitKey('2001:db8:1:2::6')).toBe('2001:db8:1:2::/64')
  expect(limitKey('2001:db8::1')).toBe('2001:db8:0:0::/64')
  expect(limitKey('fe80::1%eth0')).toBe('fe80:0:0:0::/64')
  expect(limitKey('::1')).toBe('0:0:0:0::/64')
})

test('the address is the other end of the connection, or what the nearest proxy says', () => {
  expect(clientAddress('192.0.2.7', undefined)).toBe('192.0.2.7')
  expect(clientAddress('::ffff:192.0.2.7', undefined)).toBe('192.0.2.7')
  expect(clientAddress('::1', undefined)).toBe('::1')
  expect(clientAddress('127.0.0.1', '198.51.100.1, 192.0.2.7')).toBe('192.0.2.7')
  expect(clientAddress('127.0.0.1', ['198.51.100.1', '192.0.2.7'])).toBe('192.0.2.7')
  expect(clientAddress('127.0.0.1', '')).toBe('127.0.0.1')
  expect(clientAddress(undefined, undefined)).toBe('')
})
