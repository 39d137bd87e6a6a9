// @vitest-environment jsdom
import { act, createElement, StrictMode, useState, type ReactElement } from 'react'
import { createRoot } from 'react-dom/client'
import { renderToString } from 'react-dom/server'
import { afterEach, beforeEach, expect, test } from 'vitest'
import {
  PresenceProvider,
  useConnection,
  useFeatures,
  useInvites,
  useOwnPresence,
  usePresence,
  usePresenceClient,
  useRoster,
} from './react.ts'
import { inviteEvent, OWN_ID, presenceEvent } from './support/fake-server.ts'
import { ADSUM, begins, type Story } from './support/story.ts'

const BOB = '@bob:hs'
const CAROL = '@carol:hs'

let story: Story
let container: HTMLElement
const ends: (() => void)[] = []

beforeEach(async () => {
  Object.assign(globalThis, { IS_REACT_ACT_ENVIRONMENT: true })
  story = await begins({ flags: ADSUM })
  container = document.body.appendChild(document.createElement('div'))
})

afterEach(() => {
  for (const end of ends.splice(0)) end()
  story.client.stop()
  container.remove()
})

function shows(child: ReactElement): void {
  const root = createRoot(container)
  ends.push(() => act(() => root.unmount()))
  act(() => root.render(createElement(PresenceProvider, { client: story.client }, child)))
}

const tells = (...events: object[]): Promise<void> => act(() => story.server.tellsPresence(...events))

test('usePresence follows its user and renders again for nobody else', async () => {
  const rendered: string[] = []
  function Dot({ userId }: { readonly userId: string }): ReactElement {
    const { presence, statusMsg } = usePresence(userId)
    rendered.push(`${userId} ${presence}`)
    return createElement('i', null, `${presence} ${statusMsg ?? '-'} `)
  }
  shows(createElement('p', null, createElement(Dot, { userId: BOB }), createElement(Dot, { userId: CAROL })))
  expect(container.textContent).toBe('offline - offline - ')
  await tells(presenceEvent(BOB, { status_msg: '<b>hi</b>' }))
  expect(container.textContent).toBe('online <b>hi</b> offline - ')
  expect(rendered).toEqual([`${BOB} offline`, `${CAROL} offline`, `${BOB} online`])
})

test('usePresence follows another user when told to, and lets go when it leaves', async () => {
  let follow: (userId: string) => void = () => {}
  function Switch(): ReactElement {
    const [userId, setUserId] = useState(BOB)
    follow = setUserId
    return createElement('i', null, usePresence(userId).presence)
  }
  shows(createElement(StrictMode, null, createElement(Switch)))
  await tells(presenceEvent(CAROL, { presence: 'unavailable' }))
  act(() => follow(CAROL))
  expect(container.textContent).toBe('unavailable')
  await tells(presenceEvent(CAROL, {}))
  expect(container.textContent).toBe('online')
  for (const end of ends.splice(0)) end()
  await tells(presenceEvent(CAROL, { presence: 'offline' }))
  expect(container.textContent).toBe('')
})

test('useRoster, useConnection and useFeatures say what the client says', async () => {
  function Page(): ReactElement {
    const roster = useRoster()
    return createElement(
      'i',
      null,
      `${useConnection()} ${useFeatures().lists} ${roster.map(({ userId, presence }) => `${userId} ${presence}`).join()}`,
    )
  }
  shows(createElement(Page))
  expect(container.textContent).toBe('connected true ')
  await tells(presenceEvent(BOB, {}), presenceEvent(OWN_ID, {}))
  expect(container.textContent).toBe('connected true @bob:hs online')
  story.server.always(/./, 'network')
  await tells()
  await act(() => story.clock.advance(10_000))
  expect(container.textContent).toBe('lost true @bob:hs unknown')
})

test('useOwnPresence shows the choice at once, and sets it', async () => {
  let rendered = 0
  function Own(): ReactElement {
    rendered += 1
    const { state, statusMsg, isSaving, setPresence } = useOwnPresence()
    const onClick = (): void => void setPresence({ state: 'busy', statusMsg: 'call' })
    return createElement('button', { onClick }, `${state} ${statusMsg ?? '-'} ${isSaving}`)
  }
  shows(createElement(Own))
  expect(container.textContent).toBe('online - false')
  act(() => container.querySelector('button')?.click())
  expect(container.textContent).toBe('busy call true')
  await act(() => story.clock.advance(0))
  expect(container.textContent).toBe('busy call false')
  expect(story.server.puts).toHaveLength(1)
  const before = rendered
  await tells(presenceEvent(BOB, {}))
  expect(rendered).toBe(before)
})

test('useInvites shows the inbox and answers it', async () => {
  function Inbox(): ReactElement {
    const { incoming, accept } = useInvites()
    return createElement(
      'ul',
      null,
      incoming.map(({ userId }) =>
        createElement(
          'button',
          { key: userId, onClick: () => void accept(userId, { addBack: true }) },
          userId,
        ),
      ),
    )
  }
  shows(createElement(Inbox))
  await act(() =>
    story.server.tells({ 'dev.adsum.presence_lists': { events: [inviteEvent('incoming', BOB, 'pending')] } }),
  )
  expect(container.textContent).toBe(BOB)
  await act(async () => {
    container.querySelector('button')?.click()
    await story.clock.advance(0)
  })
  expect(story.server.requests(/accept$/)[0]?.body).toEqual({ add_back: true })
})

test('every action of useInvites is the client’s', async () => {
  const seen: string[] = []
  function Actions(): null {
    const { invite, drop, deny, revoke } = useInvites()
    seen.push(...[invite, drop, deny, revoke].map((action) => typeof action))
    void Promise.all([invite(BOB), drop(BOB), deny(BOB), revoke(BOB)])
    return null
  }
  shows(createElement(Actions))
  await act(() => story.clock.advance(0))
  expect(seen.slice(0, 4)).toEqual(['function', 'function', 'function', 'function'])
  const asked = story.server.seen.map(({ method, path }) => `${method} ${path.split('/').at(-1)}`)
  expect(asked).toEqual(expect.arrayContaining(['POST %40me%3Ahs', 'POST deny', 'DELETE %40bob%3Ahs']))
})

test('on a server that renders to text the snapshot of the moment is written', () => {
  const Dot = (): ReactElement => createElement('i', null, `${usePresence(BOB).presence} ${useConnection()}`)
  const page = createElement(PresenceProvider, { client: story.client }, createElement(Dot))
  expect(renderToString(page)).toBe('<i>offline connected</i>')
})

test('a hook outside of a provider says what is missing', () => {
  const Lost = (): ReactElement => createElement('i', null, usePresenceClient().userId)
  expect(() => renderToString(createElement(Lost))).toThrow('PresenceProvider')
})
