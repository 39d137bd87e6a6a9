import { expect, test } from 'vitest'
import { hostPortOf } from './host-port.ts'

test.each([
  ['example.org', { host: 'example.org', port: null, isAddress: false }],
  ['example.org:8448', { host: 'example.org', port: 8448, isAddress: false }],
  ['1.2.3.4', { host: '1.2.3.4', port: null, isAddress: true }],
  ['1.2.3.4:80', { host: '1.2.3.4', port: 80, isAddress: true }],
  ['[::1]', { host: '::1', port: null, isAddress: true }],
  ['[2001:db8::1]:65535', { host: '2001:db8::1', port: 65_535, isAddress: true }],
  ['999.1.1.1', { host: '999.1.1.1', port: null, isAddress: false }],
  ['example.org:0', null],
  ['example.org:65536', null],
  ['example.org:', null],
  ['[1.2.3.4]', null],
  ['[::1', null],
  ['::1', null],
  ['', null],
])('%s', (name, parts) => {
  expect(hostPortOf(name)).toEqual(parts)
})
