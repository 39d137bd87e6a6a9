import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { canonicalJson } from '../matrix/canonical-json.ts'
import { EDU_BYTES_MAX, EDUS_MAX, PUSH_MAX, type PresencePush } from '../matrix/edu.ts'
import type { ServerName, UserId } from '../matrix/ids.ts'
import { isJsonObject, own, type Json, type JsonObject } from '../matrix/json.ts'
import type { WaitingListEdu } from '../ports/edus.ts'
import { TRANSACTION_BYTES_MAX, writeEdus, type Material, type OutgoingEdu } from './transaction.ts'

const ENDS = { origin: 'home.example' as ServerName, destination: 'remote.example' as ServerName }
const PEERS = fc.record({ speaksLists: fc.boolean(), busy: fc.boolean() })

/** Texts as long, and as costly to escape, as they get. */
const texts = fc.option(
  fc.oneof(fc.constant('\0'.repeat(1_024)), fc.string({ unit: 'grapheme', maxLength: 200 })),
)
const userIds = fc.nat().map((n) => `@${'u'.repeat(n % 200)}${n}:home.example` as UserId)
const pushes = fc.record({
  userId: userIds,
  state: fc.constantFrom('online', 'offline', 'busy'),
  statusMsg: texts,
  lastActiveAgoMs: fc.nat(),
  currentlyActive: fc.boolean(),
  displayname: fc.constant(null),
  avatarUrl: fc.constant(null),
}) as fc.Arbitrary<PresencePush>
const lists = fc.record({
  kind: fc.constantFrom('invite', 'accept', 'deny', 'withdraw'),
  observer: userIds,
  observed: userIds,
  ask: fc.option(fc.nat()),
  pos: fc.nat(),
}) as fc.Arbitrary<WaitingListEdu>

const material: fc.Arbitrary<Material> = fc.record({
  lists: fc.array(lists, { maxLength: 130, size: 'max' }),
  push: fc.array(pushes, { maxLength: 400, size: 'max' }),
  polls: fc
    .array(fc.tuple(userIds, fc.boolean()), { maxLength: 600, size: 'max' })
    .map((polls) => new Map(polls)),
})

const contentOf = (edu: OutgoingEdu): JsonObject => own(edu.body, 'content') as JsonObject
const arrayOf = (edu: OutgoingEdu, key: string): Json[] =>
  (own(contentOf(edu), key) as Json[] | undefined) ?? []
const userOf = (push: Json): Json | undefined => (isJsonObject(push) ? own(push, 'user_id') : undefined)

describe('EDUs of a transaction', () => {
  test('P-159 P-173 they keep within every bound', () => {
    fc.assert(
      fc.property(material, PEERS, (given, peer) => {
        const { edus } = writeEdus(given, ENDS, peer)
        expect(edus.length).toBeLessThanOrEqual(EDUS_MAX)
        expect(edus.reduce((sum, { bytes }) => sum + bytes, 0)).toBeLessThanOrEqual(TRANSACTION_BYTES_MAX)
        for (const edu of edus) {
          expect(arrayOf(edu, 'push').length).toBeLessThanOrEqual(PUSH_MAX)
          expect(edu.bytes).toBe(Buffer.byteLength(canonicalJson(edu.body)))
          expect(edu.bytes).toBeLessThanOrEqual(EDU_BYTES_MAX)
        }
      }),
      { numRuns: 30 },
    )
  })

  test('what was written and what is left are what was given, in its order; something is always written', () => {
    fc.assert(
      fc.property(material, PEERS, (given, peer) => {
        const { edus, left } = writeEdus(given, ENDS, peer)
        const written = edus.flatMap(({ list }) => (list === null ? [] : [list]))
        expect([...written, ...left.lists]).toEqual(given.lists)
        const pushed = edus.flatMap((edu) => arrayOf(edu, 'push')).map(userOf)
        expect([...pushed, ...left.push.map(({ userId }) => userId)]).toEqual(
          given.push.map(({ userId }) => userId),
        )
        expect(edus.flatMap(({ users }) => users)).toEqual(pushed)
        for (const [key, wish] of [
          ['poll', true],
          ['unpoll', false],
        ] as const) {
          const wanted = (polls: ReadonlyMap<UserId, boolean>): Json[] =>
            [...polls].flatMap(([userId, isWanted]) => (isWanted === wish ? [userId] : []))
          const said = edus.flatMap((edu) => arrayOf(edu, key))
          expect([...said, ...wanted(left.polls)]).toEqual(wanted(given.polls))
        }
        const isSomething = given.lists.length + given.push.length + given.polls.size > 0
        expect(edus.length > 0).toBe(isSomething)
      }),
      { numRuns: 30 },
    )
  })

  test('P-190 lists stand before presence; presence with room takes as few EDUs as it can', () => {
    const push = Array.from({ length: 60 }, (_, i): PresencePush => ({
      userId: `@u${i}:home.example` as UserId,
      state: 'online',
      statusMsg: null,
      lastActiveAgoMs: 0,
      currentlyActive: false,
      displayname: null,
      avatarUrl: null,
    }))
    const accept = {
      kind: 'accept',
      observer: '@o:remote.example',
      observed: '@u1:home.example',
      ask: 1,
      pos: 1,
    }
    const polls = new Map([
      ['@a:remote.example' as UserId, true],
      ['@b:remote.example' as UserId, false],
    ])
    const given = { lists: [accept as WaitingListEdu], push, polls }
    const { edus, left } = writeEdus(given, ENDS, { speaksLists: true, busy: false })
    expect(edus.map(({ body }) => own(body, 'edu_type'))).toEqual([
      'm.presence_accept',
      'm.presence',
      'm.presence',
    ])
    expect(edus.map((edu) => arrayOf(edu, 'push').length)).toEqual([0, 50, 10])
    expect(edus.map((edu) => arrayOf(edu, 'poll').concat(arrayOf(edu, 'unpoll')))).toEqual([
      [],
      ['@a:remote.example', '@b:remote.example'],
      [],
    ])
    expect(left).toEqual({ lists: [], push: [], polls: new Map() })
  })
})
