import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { ServerName, UserId } from './ids.ts'
import {
  BUSY,
  parseSetPresence,
  presenceEvent,
  type PresenceEventSource,
  presenceWord,
  setPresenceBody,
  statusBody,
  UNKNOWN_PRESENCE,
  type PresenceState,
  type ShownPresence,
} from './presence.ts'

const ALL_WORDS = { freeForChat: true, hidden: true, busy: true }
const ALICE = '@alice:home.example' as UserId
const NOW = 1_443_797_062_000
const options = { now: NOW, busy: false }

function shown(over: Partial<ShownPresence> = {}): ShownPresence {
  return {
    state: 'online',
    hidden: false,
    statusMsg: 'Back after lunch',
    lastActiveTs: NOW - 2_478,
    currentlyActive: true,
    visible: true,
    ...over,
  }
}

describe('the body of PUT status', () => {
  const body = setPresenceBody({ freeForChat: true, hidden: true, busy: false })
  const accepts = (value: unknown): boolean => body.safeParse(value).success

  test.each(['online', 'unavailable', 'offline', 'free_for_chat', 'hidden'] as const)(
    'P-017 P-018 accepts %s',
    (presence) => {
      expect(body.parse({ presence })).toEqual({ presence, status: { kind: 'keep' } })
    },
  )

  test('P-016 P-019 refuses a missing, unknown or differently cased state', () => {
    for (const value of [
      {},
      { presence: 'away' },
      { presence: 'ONLINE' },
      { presence: ' online' },
      { presence: 'busy' },
      { presence: 1 },
      { presence: null },
      { presence: ['online'] },
    ])
      expect(accepts(value), JSON.stringify(value)).toBe(false)
  })

  test('P-016 refuses what is not an object', () => {
    for (const value of [[], 'online', null, 5]) expect(accepts(value)).toBe(false)
  })

  test('P-016 names inherited by every object are not states', () => {
    for (const presence of ['constructor', '__proto__', 'toString']) expect(accepts({ presence })).toBe(false)
    expect(accepts(JSON.parse('{"__proto__":{"presence":"online"}}'))).toBe(false)
  })

  test('P-020 refuses a text that is neither string nor null', () => {
    for (const status_msg of [5, true, {}, ['x']])
      expect(accepts({ presence: 'online', status_msg })).toBe(false)
  })

  test('P-020 refuses a text with a lone surrogate', () => {
    expect(accepts({ presence: 'online', status_msg: 'a\ud800b' })).toBe(false)
  })

  test('P-021 absent keeps the text, null and the empty text clear it', () => {
    const status = (value: object): unknown => body.parse({ presence: 'online', ...value }).status
    expect(status({})).toEqual({ kind: 'keep' })
    expect(status({ status_msg: null })).toEqual({ kind: 'clear' })
    expect(status({ status_msg: '' })).toEqual({ kind: 'clear' })
    expect(status({ status_msg: 'tea' })).toEqual({ kind: 'set', text: 'tea' })
  })

  test('P-013 unknown keys are ignored', () => {
    expect(body.parse({ presence: 'online', mood: 'fine', currently_active: 5 })).toEqual({
      presence: 'online',
      status: { kind: 'keep' },
    })
  })

  test('P-028 busy is a word only where it is enabled', () => {
    expect(accepts({ presence: BUSY })).toBe(false)
    expect(setPresenceBody(ALL_WORDS).parse({ presence: BUSY }).presence).toBe('busy')
  })

  test('P-017 P-018 free_for_chat and hidden are refused where they are switched off', () => {
    const plain = setPresenceBody({ freeForChat: false, hidden: false, busy: false })
    expect(plain.safeParse({ presence: 'free_for_chat' }).success).toBe(false)
    expect(plain.safeParse({ presence: 'hidden' }).success).toBe(false)
    expect(plain.safeParse({ presence: 'unavailable' }).success).toBe(true)
  })

  test('P-019 no JSON makes the decoder throw anything but a refusal, nor yields an unknown state', () => {
    const decoder = setPresenceBody(ALL_WORDS)
    const states = new Set(['online', 'unavailable', 'offline', 'free_for_chat', 'hidden', 'busy'])
    fc.assert(
      fc.property(
        fc.oneof(fc.jsonValue(), fc.record({ presence: fc.jsonValue(), status_msg: fc.jsonValue() })),
        (value) => {
          const result = decoder.safeParse(value)
          if (result.success) expect(states.has(result.data.presence)).toBe(true)
        },
      ),
    )
  })
})

describe('set_presence', () => {
  test('P-091 has the words of the specification and no others', () => {
    expect(parseSetPresence(null, false)).toBe('implicit')
    for (const word of ['online', 'unavailable', 'offline'] as const)
      expect(parseSetPresence(word, false)).toBe(word)
    for (const word of ['', 'free_for_chat', 'hidden', 'Online', 'implicit', 'busy', BUSY])
      expect(parseSetPresence(word, false), word).toBeNull()
    expect(parseSetPresence(BUSY, true)).toBe('busy')
  })
})

describe('words by surface', () => {
  const rows: readonly [PresenceState, hidden: boolean, old: string, modern: string, withBusy: string][] = [
    ['online', false, 'online', 'online', 'online'],
    ['unavailable', false, 'unavailable', 'unavailable', 'unavailable'],
    ['offline', false, 'offline', 'offline', 'offline'],
    ['free_for_chat', false, 'free_for_chat', 'online', 'online'],
    ['busy', false, 'unavailable', 'unavailable', BUSY],
    ['online', true, 'hidden', 'offline', 'offline'],
  ]
  test.each(rows)('P-042 P-110 %s, hidden %s', (state, hidden, old, modern, withBusy) => {
    expect(presenceWord({ state, hidden }, 'api/v1', true)).toBe(old)
    expect(presenceWord({ state, hidden }, 'modern', false)).toBe(modern)
    expect(presenceWord({ state, hidden }, 'modern', true)).toBe(withBusy)
  })
})

describe('the answer to GET status', () => {
  test('P-030 P-040 on the new surface carries everything known', () => {
    expect(statusBody(shown(), 'modern', options)).toEqual({
      presence: 'online',
      last_active_ago: 2_478,
      currently_active: true,
      status_msg: 'Back after lunch',
    })
  })

  test('P-038 P-040 leaves out what is not known and currently_active of who is not online', () => {
    const idle = shown({ state: 'unavailable', statusMsg: null, currentlyActive: false })
    expect(statusBody(idle, 'modern', options)).toEqual({ presence: 'unavailable', last_active_ago: 2_478 })
  })

  test('P-039 on api/v1 has an explicit null and no currently_active', () => {
    expect(statusBody(shown({ statusMsg: null }), 'api/v1', options)).toEqual({
      presence: 'online',
      last_active_ago: 2_478,
      status_msg: null,
    })
  })

  test('P-040 P-042 free_for_chat reads as online with currently_active on the new surface', () => {
    const chatty = shown({ state: 'free_for_chat', statusMsg: null })
    expect(statusBody(chatty, 'modern', options)).toEqual({
      presence: 'online',
      last_active_ago: 2_478,
      currently_active: true,
    })
    expect(statusBody(chatty, 'api/v1', options)['presence']).toBe('free_for_chat')
  })

  test('P-040 busy has currently_active only where it is shown as busy', () => {
    const busy = shown({ state: 'busy' })
    expect(statusBody(busy, 'modern', { now: NOW, busy: true })).toHaveProperty('currently_active', true)
    expect(statusBody(busy, 'modern', options)).not.toHaveProperty('currently_active')
  })

  test('P-037 of a user never heard of is offline and nothing else', () => {
    expect(statusBody(UNKNOWN_PRESENCE, 'modern', options)).toEqual({ presence: 'offline' })
    expect(statusBody(UNKNOWN_PRESENCE, 'api/v1', options)).toEqual({ presence: 'offline', status_msg: null })
  })

  test('P-108 the age is a non-negative integer whatever the clock says', () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, min: -1e15, max: 1e15 }), (ts) => {
        const ago = statusBody(shown({ lastActiveTs: ts }), 'modern', options)['last_active_ago']
        expect(Number.isInteger(ago) && (ago as number) >= 0).toBe(true)
      }),
    )
  })
})

describe('m.presence events', () => {
  const alice: PresenceEventSource = {
    userId: ALICE,
    seq: 17,
    epoch: 'life',
    server: 'home.example' as ServerName,
  }
  const profile = { displayname: 'Alice Margatroid', avatarUrl: 'mxc://home.example/a' }

  test('P-084 P-106 P-117 in /sync have type, sender and content, no event_id, room_id or user_id', () => {
    expect(presenceEvent({ ...alice, ...profile }, shown(), { ...options, form: 'sync' })).toEqual({
      type: 'm.presence',
      sender: ALICE,
      content: {
        presence: 'online',
        last_active_ago: 2_478,
        currently_active: true,
        status_msg: 'Back after lunch',
        displayname: 'Alice Margatroid',
        avatar_url: 'mxc://home.example/a',
      },
    })
  })

  test('P-107 in /events name the user in the content too and have no room_id', () => {
    const event = presenceEvent(alice, shown(), { ...options, form: 'events' })
    expect(event).toMatchObject({ sender: ALICE, content: { user_id: ALICE } })
    expect(event).not.toHaveProperty('room_id')
  })

  test('P-105 on api/v1 have event_id, type, content.user_id and content.presence, and no sender', () => {
    const event = presenceEvent(alice, shown({ statusMsg: null }), { ...options, form: 'api/v1' })
    expect(event).toEqual({
      type: 'm.presence',
      event_id: expect.stringMatching(/^\$presence_17_[\w-]+:home\.example$/) as string,
      content: { user_id: ALICE, presence: 'online', last_active_ago: 2_478 },
    })
  })

  test('P-105 have another event_id for every place, user and life of the stream, and the same for the same', () => {
    const idOf = (over: Partial<PresenceEventSource>): unknown =>
      presenceEvent({ ...alice, ...over }, shown(), { ...options, form: 'api/v1' })['event_id']
    const ids = [{}, { seq: 18 }, { userId: '@bob:home.example' as UserId }, { epoch: 'other' }].map(idOf)
    expect(new Set(ids).size).toBe(4)
    expect(idOf({ displayname: 'Al' })).toBe(ids[0])
  })

  test('P-109 have no null and no empty text', () => {
    const event = presenceEvent(
      { ...alice, displayname: '', avatarUrl: '' },
      shown({ statusMsg: '', lastActiveTs: null }),
      { ...options, form: 'sync' },
    )
    expect(event['content']).toEqual({ presence: 'online', currently_active: true })
  })

  test('P-098 of a user who is not visible any more say offline and nothing else', () => {
    const gone = shown({ state: 'offline', visible: false })
    expect(presenceEvent({ ...alice, ...profile }, gone, { ...options, form: 'sync' })['content']).toEqual({
      presence: 'offline',
    })
  })

  test('P-110 P-111 never say hidden outside api/v1', () => {
    const event = presenceEvent({ ...alice, ...profile }, shown({ hidden: true }), {
      ...options,
      form: 'sync',
    })
    expect(event['content']).toHaveProperty('presence', 'offline')
    expect(event['content']).not.toHaveProperty('currently_active')
  })
})
