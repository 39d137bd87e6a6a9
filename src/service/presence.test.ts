import { expect, test } from 'vitest'
import type { PresenceView, UserNum } from '../engine/types.ts'
import type { DeviceId, UserId } from '../matrix/ids.ts'
import type { PresenceReport } from '../ports/submit.ts'
import { createPresence } from './presence.ts'

const ALICE = '@alice:home.example' as UserId
const BOB = '@bob:home.example' as UserId
const requester = { userId: ALICE, deviceId: 'PHONE' as DeviceId, guest: false, admin: false }
const KEEP: PresenceReport = { presence: 'online', status: { kind: 'keep' } }
const SEEN: PresenceView = {
  user: 2 as UserNum,
  state: 'unavailable',
  hidden: false,
  statusMsg: null,
  lastActiveTs: null,
  currentlyActive: false,
  seq: 1,
  visible: true,
}

function world(over: { enabled?: boolean; flushFails?: boolean; views?: Map<UserId, PresenceView> } = {}) {
  const done: string[] = []
  const presence = createPresence({
    enabled: over.enabled ?? true,
    statusMsgBytesMax: 1_024,
    loop: {
      report: (userId, deviceId, { presence }) => void done.push(`report ${userId} ${deviceId} ${presence}`),
      view: (_viewer, userId) => over.views?.get(userId) ?? null,
    },
    persist: {
      flush: async () => {
        if (over.flushFails === true) throw new Error('disk full')
        done.push('flush')
      },
    },
  })
  return { presence, done }
}

test('P-024 a report is durable before it is acknowledged', async () => {
  const { presence, done } = world()
  await presence.set(requester, ALICE, KEEP)
  expect(done).toEqual([`report ${ALICE} PHONE online`, 'flush'])
  await expect(world({ flushFails: true }).presence.set(requester, ALICE, KEEP)).rejects.toThrow('disk full')
})

test('P-015 P-023 another user’s presence is refused and nothing happens', async () => {
  const { presence, done } = world()
  await expect(presence.set(requester, BOB, KEEP)).rejects.toMatchObject({
    status: 403,
    errcode: 'M_FORBIDDEN',
  })
  expect(done).toEqual([])
})

test('P-022 P-023 the text is measured in bytes', async () => {
  const { presence, done } = world()
  const set = (text: string): Promise<void> =>
    presence.set(requester, ALICE, { presence: 'online', status: { kind: 'set', text } })
  await set('x'.repeat(1_024))
  await set('é'.repeat(512))
  expect(done).toHaveLength(4)
  await expect(set('x'.repeat(1_025))).rejects.toMatchObject({ status: 413, errcode: 'M_TOO_LARGE' })
  await expect(set('é'.repeat(513))).rejects.toMatchObject({ status: 413, errcode: 'M_TOO_LARGE' })
  expect(done).toHaveLength(4)
})

test('P-031 P-032 P-034 P-036 one’s own is always there, another’s if it may be seen', () => {
  const { presence } = world({ views: new Map([[BOB, SEEN]]) })
  expect(presence.get(requester, ALICE)).toMatchObject({ state: 'offline', lastActiveTs: null })
  expect(presence.get(requester, BOB)).toBe(SEEN)
  expect(presence.get(requester, '@nobody:home.example' as UserId)).toBeNull()
})

test('P-029 with presence off a report does nothing and everybody is offline', async () => {
  const { presence, done } = world({ enabled: false, views: new Map([[BOB, SEEN]]) })
  await presence.set(requester, ALICE, KEEP)
  expect(done).toEqual([])
  expect(presence.get(requester, BOB)).toMatchObject({ state: 'offline' })
  expect(presence.get(requester, '@nobody:home.example' as UserId)).toMatchObject({ state: 'offline' })
})
