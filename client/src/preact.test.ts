// @vitest-environment jsdom
import { h, render } from 'preact'
import { act } from 'preact/test-utils'
import { expect, test, vi } from 'vitest'
import { presenceEvent } from './support/fake-server.ts'
import { begins } from './support/story.ts'

// What an app's bundler does with an alias.
vi.mock('react', async () => import('preact/compat'))

test('the hooks work with Preact through preact/compat', async () => {
  const { PresenceProvider, usePresence, useRoster } = await import('./react.ts')
  const { client, server } = await begins()
  const Dot = (): unknown => h('i', null, `${usePresence('@bob:hs').presence} of ${useRoster().length}`)
  const Provider = PresenceProvider as unknown as Parameters<typeof h>[0]
  await act(() =>
    render(h(Provider, { client } as object, h(Dot as Parameters<typeof h>[0], null)), document.body),
  )
  expect(document.body.textContent).toBe('offline of 0')
  await act(() => server.tellsPresence(presenceEvent('@bob:hs', {})))
  expect(document.body.textContent).toBe('online of 1')
  // Inside `act`, or Preact would look for an animation frame after the document is gone.
  await act(() => {
    client.stop()
    render(null, document.body)
  })
})
