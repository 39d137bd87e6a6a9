import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { act, roomStep } from '../../test/support/room-histories.ts'
import { aReadingHouse, type ReadingHouse } from '../../test/support/room-reading.ts'
import { as, aUser } from '../../test/support/room-house.ts'
import type { Filter } from '../matrix/filter.ts'
import type { EventId, RoomId } from '../matrix/ids.ts'
import type { ClientEvent, LeftRoomBody, Timeline } from '../matrix/sync.ts'
import type { RoomsPosition } from '../matrix/token.ts'
import type { Row } from '../ports/store.ts'
import type { SyncQuery } from '../ports/sync-section.ts'

/** Follows its tokens as bob, fills gaps with `/messages`, and keeps state as a client does. */
class Client {
  next: RoomsPosition | null = null
  readonly seen = new Map<string, string[]>()
  readonly states = new Map<string, Map<string, unknown>>()
  readonly #house: ReadingHouse
  readonly #filter: Filter
  readonly #stateAfterKey: SyncQuery['stateAfterKey']

  constructor(house: ReadingHouse, timelineLimit: number, stateAfterKey: SyncQuery['stateAfterKey']) {
    this.#house = house
    this.#filter = { room: { timeline: { limit: timelineLimit } } }
    this.#stateAfterKey = stateAfterKey
  }

  async sync(): Promise<void> {
    const since = this.next
    const synced = await this.#house.sync('bob', since, {
      filter: this.#filter,
      stateAfterKey: this.#stateAfterKey,
    })
    this.next = synced.next
    const { join = {}, leave = {} } = synced.body.rooms ?? {}
    for (const section of [join, leave]) {
      for (const [roomId, room] of Object.entries<LeftRoomBody>(section)) {
        await this.#fill(roomId as RoomId, room.timeline, since)
        const isAfter = this.#stateAfterKey !== false
        const changes = isAfter
          ? (room.state_after?.events ?? [])
          : [...(room.state?.events ?? []), ...room.timeline.events]
        this.#keep(roomId, changes)
      }
    }
  }

  async #fill(roomId: RoomId, timeline: Timeline, since: RoomsPosition | null): Promise<void> {
    const seen = this.seen.get(roomId) ?? []
    this.seen.set(roomId, seen)
    // Who was only invited cannot page.
    const canPage = (await this.#house.reading.accesses.find(aUser('bob'), roomId)) !== null
    if (timeline.limited && canPage) {
      // A client pages back until it meets what it has, here: until the place of its last token.
      const query = {
        dir: 'b',
        from: timeline.prev_batch,
        to: `t${since?.stream ?? 0}`,
        limit: 3,
        filter: {},
      } as const
      const gap: ClientEvent[] = []
      for (let from: string | undefined = query.from; from !== undefined;) {
        const page = await this.#house.reading.reader.messages(as('bob'), roomId, { ...query, from })
        gap.push(...page.chunk)
        from = page.end
      }
      seen.push(...gap.reverse().map((event) => event['event_id'] as string))
    }
    seen.push(...timeline.events.map((event) => event['event_id'] as string))
  }

  #keep(roomId: string, events: readonly ClientEvent[]): void {
    const state = this.states.get(roomId) ?? new Map<string, unknown>()
    this.states.set(roomId, state)
    for (const event of events)
      if (typeof event['state_key'] === 'string')
        state.set(`${event['type'] as string}|${event['state_key']}`, event['event_id'])
  }
}

/** All that bob may see of a room now, oldest first, straight from the store by the rule of §5.13. */
async function visibleTo(house: ReadingHouse, roomId: RoomId): Promise<string[]> {
  const access = await house.reading.accesses.find(aUser('bob'), roomId)
  if (access === null) return []
  const range = { roomId, after: 0, upTo: access.upTo, limit: 10_000, newestFirst: false }
  return (await house.store.eventsBetween(range))
    .filter((row) => access.view.canSee(row))
    .map((row) => row.eventId)
}

for (const stateAfterKey of [false, 'state_after'] as const) {
  test(`R-156 R-197 R-198 R-199 a client sees each visible event once and its state is the room's (${String(stateAfterKey)})`, async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(roomStep, { maxLength: 60 }),
        fc.integer({ min: 0, max: 6 }),
        async (steps, limit) => {
          const house = await aReadingHouse()
          const rooms = [
            await house.publicRoom('11'),
            await house.create('alice', { preset: 'private_chat', name: 'private' }),
          ]
          const client = new Client(house, limit, stateAfterKey)
          await client.sync()
          for (const [count, one] of steps.entries()) {
            if (one.do === 'sync') await client.sync()
            else await act(house, rooms, one, count)
          }
          await client.sync()
          for (const roomId of rooms) await checkRoom(house, client, roomId)
          expect((await house.sync('bob', client.next)).isEmpty).toBe(true)
        },
      ),
      { numRuns: 60 },
    )
  })
}

async function checkRoom(house: ReadingHouse, client: Client, roomId: RoomId): Promise<void> {
  const seen = client.seen.get(roomId) ?? []
  expect(new Set(seen).size).toBe(seen.length)
  const isJoined = house.memberships.isJoined(roomId, aUser('bob'))
  if (!isJoined) return
  const visible = await visibleTo(house, roomId)
  // What became visible only by a later join, or was sent while away, is history: /messages has it, sync need not.
  const missed = visible.filter((eventId) => !seen.includes(eventId))
  const unseen = await Promise.all(missed.map((eventId) => wasVisibleAtOnce(house, roomId, eventId)))
  expect(unseen.filter(Boolean)).toEqual([])
  const [own, others] = await ownAndOthers(house, seen)
  expect(others.filter((eventId) => !visible.includes(eventId))).toEqual([])
  expect(seen.filter((eventId) => !own.includes(eventId))).toEqual(others)
  const state = new Map<string, unknown>()
  for (const { row } of (await house.rooms.states.current(roomId))?.all() ?? [])
    state.set(`${row.type}|${row.stateKey ?? ''}`, row.eventId)
  expect(client.states.get(roomId)).toEqual(state)
}

async function wasVisibleAtOnce(house: ReadingHouse, roomId: RoomId, eventId: string): Promise<boolean> {
  const access = await house.reading.accesses.of(aUser('bob'), roomId)
  const [row] = await house.store.events([eventId as EventId])
  return row !== undefined && access.view.membershipAt(row.pos - 1) === 'join'
}

/** Bob's own member events, which are told whatever history says, and the rest; both in stream order. */
async function ownAndOthers(house: ReadingHouse, ids: readonly string[]): Promise<[string[], string[]]> {
  const rows = (await house.store.events(ids as EventId[])).sort((a, b) => a.pos - b.pos)
  const isOwn = (row: Row<'events'>): boolean => row.type === 'm.room.member' && row.stateKey === aUser('bob')
  const idsOf = (some: readonly Row<'events'>[]): string[] => some.map((row) => row.eventId)
  return [idsOf(rows.filter(isOwn)), idsOf(rows.filter((row) => !isOwn(row)))]
}
