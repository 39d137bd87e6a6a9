import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { must } from '../base/assert.ts'
import { listEduBody, presenceEduBody, pushBody } from './edu-bodies.ts'
import {
  decodeListEdu,
  decodePresenceEdu,
  LIST_EDU_TYPES,
  type ListEduKind,
  type PresencePush,
} from './edu.ts'
import { parseServerName, parseUserId, type UserId } from './ids.ts'

const remote = must(parseServerName('remote.example'), 'name')
const home = must(parseServerName('home.example'), 'name')
const user = (id: string): UserId => must(parseUserId(id), id)
const bob = user('@bob:remote.example')
const alice = user('@alice:home.example')

const BOB: PresencePush = {
  userId: bob,
  state: 'online',
  statusMsg: null,
  lastActiveAgoMs: null,
  currentlyActive: false,
  displayname: null,
  avatarUrl: null,
}
const MODERN = { speaksLists: false, busy: false }
const OLD = { speaksLists: true, busy: true }
const ENDS = { origin: remote, destination: home }

describe('m.presence', () => {
  test('P-167 an entry has user, state and age, and what there is to say', () => {
    const push = { ...BOB, lastActiveAgoMs: 5_000, statusMsg: 'here', currentlyActive: true }
    expect(pushBody(push, MODERN)).toEqual({
      user_id: bob,
      presence: 'online',
      last_active_ago: 5_000,
      currently_active: true,
      status_msg: 'here',
    })
    expect(pushBody({ ...BOB, state: 'offline', displayname: 'Bob', avatarUrl: 'x' }, OLD)).toEqual({
      user_id: bob,
      presence: 'offline',
      last_active_ago: 0,
    })
  })

  test.each<[PresencePush['state'], typeof MODERN, string, boolean]>([
    ['free_for_chat', MODERN, 'online', true],
    ['free_for_chat', OLD, 'free_for_chat', true],
    ['busy', MODERN, 'unavailable', false],
    ['busy', { speaksLists: false, busy: true }, 'org.matrix.msc3026.busy', true],
    ['busy', OLD, 'unavailable', false],
    ['online', OLD, 'online', true],
    ['unavailable', MODERN, 'unavailable', false],
    ['offline', OLD, 'offline', false],
  ])('§1.2 %s is told %j as %s', (state, peer, word, saysActive) => {
    const entry = pushBody({ ...BOB, state, currentlyActive: true }, peer)
    expect(entry['presence']).toBe(word)
    expect(entry['currently_active']).toBe(saysActive ? true : undefined)
  })

  test('P-184 push is always there, poll and unpoll if they say something, the ends for peers of 2015', () => {
    expect(presenceEduBody({ push: [], poll: [], unpoll: [] }, ENDS, MODERN)).toEqual({
      edu_type: 'm.presence',
      content: { push: [] },
    })
    expect(presenceEduBody({ push: [], poll: [bob], unpoll: [alice] }, ENDS, OLD)).toEqual({
      edu_type: 'm.presence',
      ...ENDS,
      content: { push: [], poll: [bob], unpoll: [alice] },
    })
  })

  test('what we send is read as it was meant', () => {
    const pushes = fc.record({
      userId: fc.constantFrom(bob, user('@:remote.example')),
      state: fc.constantFrom('online', 'offline', 'unavailable', 'free_for_chat' as const),
      statusMsg: fc.option(fc.constantFrom('here', 'ö')),
      lastActiveAgoMs: fc.nat(),
      currentlyActive: fc.constant(false),
      displayname: fc.constant(null),
      avatarUrl: fc.constant(null),
    })
    fc.assert(
      fc.property(fc.array(pushes), fc.array(fc.constant(alice)), (push, poll) => {
        const { content } = presenceEduBody({ push, poll, unpoll: [] }, ENDS, OLD)
        const read = decodePresenceEdu(content, remote, { statusMsgBytesMax: 100 })
        expect(read).toEqual({ push, poll, unpoll: [], skipped: 0 })
      }),
    )
  })
})

test.each(Object.keys(LIST_EDU_TYPES) as ListEduKind[])('P-186 %s is read as it was meant', (kind) => {
  const isOfObserver = kind === 'invite' || kind === 'withdraw'
  const users = isOfObserver ? { observer: bob, observed: alice } : { observer: alice, observed: bob }
  for (const ask of [null, 7]) {
    const edu = { kind, ...users, ask }
    const body = listEduBody(edu, ENDS)
    expect(body).toMatchObject({ edu_type: LIST_EDU_TYPES[kind], ...ENDS })
    const decoded = decodeListEdu(kind, body['content'], { origin: remote, serverName: home })
    expect(decoded).toEqual({ kind: 'list', edu })
  }
})

test('P-186 an invite names both users, and an asking only if it has one', () => {
  const invite = { kind: 'invite', observer: bob, observed: alice } as const
  const users = { observed_user: alice, observer_user: bob }
  expect(listEduBody({ ...invite, ask: null }, ENDS)['content']).toEqual(users)
  expect(listEduBody({ ...invite, ask: 7 }, ENDS)['content']).toEqual({
    ...users,
    'dev.adsum.presence_lists.ask': 7,
  })
})
