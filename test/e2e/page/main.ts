/// <reference lib="dom" />
import { ClientEvent, createClient, RoomEvent, SetPresence, type MatrixClient } from 'matrix-js-sdk'

/** What the test drives from outside; the page itself shows what the client knows, like any Matrix client would. */
interface Page {
  start(baseUrl: string, user: string, password: string): Promise<void>
  client: MatrixClient
  setPresence(state: keyof typeof STATES): Promise<void>
}

const STATES = {
  online: SetPresence.Online,
  unavailable: SetPresence.Unavailable,
  offline: SetPresence.Offline,
}

const people = document.querySelector('#people') as HTMLUListElement
const messages = document.querySelector('#messages') as HTMLUListElement

function line(list: HTMLUListElement, id: string): HTMLLIElement {
  const known = list.querySelector(`[data-id="${CSS.escape(id)}"]`)
  if (known instanceof HTMLLIElement) return known
  const item = document.createElement('li')
  item.dataset['id'] = id
  list.append(item)
  return item
}

function showPeople(client: MatrixClient): void {
  for (const user of client.getUsers()) {
    line(people, user.userId).textContent = [
      user.displayName,
      user.presence,
      user.presenceStatusMsg ?? '',
    ].join(' | ')
  }
}

const page = {
  async start(baseUrl: string, user: string, password: string): Promise<void> {
    const login = await createClient({ baseUrl }).loginRequest({
      type: 'm.login.password',
      identifier: { type: 'm.id.user', user },
      password,
    })
    const client = createClient({
      baseUrl,
      userId: login.user_id,
      deviceId: login.device_id,
      accessToken: login.access_token,
    })
    page.client = client
    client.on(ClientEvent.Event, () => showPeople(client))
    client.on(ClientEvent.Sync, () => showPeople(client))
    client.on(RoomEvent.Timeline, (event) => {
      const body: unknown = event.getContent()['body']
      if (typeof body === 'string') line(messages, event.getId() ?? '').textContent = body
    })
    await client.startClient({ pollTimeout: 30_000 })
  },
  setPresence: (state: keyof typeof STATES) => page.client.setSyncPresence(STATES[state]),
} as Page

Object.assign(globalThis, { page })
