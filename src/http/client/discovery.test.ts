import { expect, test } from 'vitest'
import type { ServerName } from '../../matrix/ids.ts'
import type { Call } from '../route.ts'
import { discoveryRoutes } from './discovery.ts'

function ask(path: string, serverName: string, isOn = false): unknown {
  const states = { busy: isOn, hidden: isOn, freeForChat: isOn }
  const routes = discoveryRoutes({ serverName: serverName as ServerName, ...states })
  return routes.find((route) => route.path === path)?.handle({} as Call)
}

test('versions names what clients look for, and the further states only if they are switched on', () => {
  const answer = ask('/_matrix/client/versions', 'hs') as { versions: string[]; unstable_features: object }
  expect(answer.versions).toEqual(expect.arrayContaining(['r0.0.1', 'r0.6.1', 'v1.1', 'v1.12']))
  expect(answer.versions).not.toContain('v1.13')
  expect(answer.unstable_features).toEqual({
    'dev.adsum.presence_lists': true,
    'dev.adsum.hidden': false,
    'dev.adsum.free_for_chat': false,
    'org.matrix.msc3026.busy_presence': false,
  })
  expect(ask('/_matrix/client/versions', 'hs', true)).toMatchObject({
    unstable_features: {
      'dev.adsum.hidden': true,
      'dev.adsum.free_for_chat': true,
      'org.matrix.msc3026.busy_presence': true,
    },
  })
})

test('well-known points to the server name, by HTTPS unless it is this machine', () => {
  const baseUrl = (name: string): unknown => ask('/.well-known/matrix/client', name)
  expect(baseUrl('example.org')).toEqual({ 'm.homeserver': { base_url: 'https://example.org' } })
  expect(baseUrl('localhost:8008')).toEqual({ 'm.homeserver': { base_url: 'http://localhost:8008' } })
  expect(baseUrl('localhost.example.org')).toEqual({
    'm.homeserver': { base_url: 'https://localhost.example.org' },
  })
})
