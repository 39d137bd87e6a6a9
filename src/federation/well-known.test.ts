import { expect, test } from 'vitest'
import { addressOfPage } from './well-known.ts'

test.each([
  ['https://a.example/x', 'a.example', 443, 'a.example'],
  ['https://a.example:443/x', 'a.example', 443, 'a.example'],
  ['https://A.example:8443', 'a.example', 8443, 'a.example:8443'],
  ['https://user:secret@a.example/', 'a.example', 443, 'a.example'],
  ['https://1.2.3.4/', '1.2.3.4', 443, '1.2.3.4'],
  ['https://[::1]:99/', '::1', 99, '[::1]:99'],
])('%s is found at %s, port %d, and asked for as %s', (url, host, port, hostHeader) => {
  expect(addressOfPage(new URL(url))).toEqual({ targets: [{ host, port }], tlsName: host, hostHeader })
})
