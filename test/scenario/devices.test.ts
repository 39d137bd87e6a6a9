import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { tellStory, type Client, type Story } from '../support/story.ts'

const SECOND = 1_000
const MINUTE = 60 * SECOND
const BUSY = 'org.matrix.msc3026.busy'

let story: Story
let phone: Client
let desktop: Client
let bob: Client
let room: string

/** Alice has a phone and a desktop; Bob is there all day and looks. */
beforeEach(async () => {
  story = await tellStory({ config: { presence: { busy: true } } })
  phone = await story.person('alice')
  desktop = await story.another(phone, 'desktop')
  bob = await story.person('bob')
  room = await story.meet(phone, bob)
  await story.passes(10 * MINUTE)
  await bob.opens()
})

afterEach(() => story.ends())

/** What Bob was told of Alice since he was last asked. */
function bobHears(): string[] {
  return bob.hears(phone)
}

describe('one person, two devices', () => {
  test('P-138 P-139 P-132 L-17 the phone idles in a pocket, the desktop is worked at', async () => {
    await phone.opens()
    await desktop.opens({ set_presence: 'online' })
    await story.rest()
    expect(bobHears()).toEqual(['online, active'])

    // Elsewhere the two would now overrule each other with every poll.
    await phone.reports('unavailable')
    const polls = phone.answers.length + desktop.answers.length + bob.answers.length
    await story.passes(10 * MINUTE)
    expect(bobHears()).toEqual([])
    // Three clients, ten minutes, half a minute a poll and a few seconds to come back.
    const more = phone.answers.length + desktop.answers.length + bob.answers.length - polls
    expect(more).toBeLessThan(3 * 25)

    // She goes home: the desktop reports it, the phone agrees.
    await desktop.reports('unavailable')
    await story.rest()
    expect(bobHears()).toEqual(['unavailable'])

    // The desktop falls asleep altogether; the phone still answers for her.
    desktop.closes()
    await story.passes(5 * MINUTE)
    expect(bobHears()).toEqual([])
    phone.closes()
    await story.passes(35 * SECOND)
    expect(bobHears()).toEqual(['offline'])
  })

  test('P-138 P-133 L-03 a call on the desktop makes her busy, and not the phone', async () => {
    await phone.opens()
    await desktop.opens()
    await desktop.actor.sets(BUSY, 'on a call')
    await story.rest()
    expect(bobHears().at(-1)).toBe(`${BUSY}, active, "on a call"`)

    // The call is long; the phone polls all the while, and neither ends it nor catches it.
    await story.passes(30 * MINUTE)
    expect(bobHears()).toEqual([`${BUSY}, "on a call"`])
    await desktop.actor.sets('offline', null)
    await story.rest()
    expect(bobHears()).toEqual(['unavailable'])
  })

  test('P-133 P-134 L-13 busy outlives its connection by an hour, and no longer', async () => {
    await desktop.opens()
    await desktop.actor.sets(BUSY)
    desktop.closes()
    await story.rest()
    expect(bobHears().at(-1)).toBe(`${BUSY}, active`)
    await story.passes(55 * MINUTE)
    expect(bobHears()).toEqual([BUSY])
    await story.passes(6 * MINUTE)
    expect(bobHears()).toEqual(['offline'])
  })

  test('P-140 P-134 L-19 logging out of one leaves the other', async () => {
    await phone.opens({ set_presence: 'unavailable' })
    await desktop.opens({ set_presence: 'online' })
    await story.rest()
    bobHears()
    await desktop.logsOut()
    await story.rest()
    expect(bobHears()).toEqual(['unavailable'])
    await phone.logsOut()
    await story.rest()
    expect(bobHears()).toEqual(['offline'])
  })

  test('P-140 L-19 a deactivated person is offline at once, and then nobody', async () => {
    await phone.opens()
    await desktop.opens()
    await story.rest()
    bobHears()
    await phone.actor.deactivates()
    await story.passes(5 * SECOND)
    expect(phone.isLoggedOut && desktop.isLoggedOut).toBe(true)
    // Offline, and then gone from the room.
    expect(bobHears()).toEqual(['offline', 'offline'])
    expect(await bob.asks(phone)).toBe('M_FORBIDDEN')
  })
})

describe('hiding', () => {
  test('P-110 P-111 P-112 P-092 P-021a P-131 L-05 nothing of a hidden person leaves, whatever she does at either device', async () => {
    await phone.opens()
    await desktop.opens()
    await desktop.actor.sets('online', 'here')
    await story.rest()
    expect(bobHears().at(-1)).toBe('online, active, "here"')

    await desktop.actor.sets('hidden')
    await story.rest()
    expect(bobHears()).toEqual(['offline'])

    // She reads, writes, changes her text, closes one device and reopens it, goes idle and comes back.
    const eventId = await bob.actor.says(room, 'anybody there?')
    const doings: (() => Promise<unknown>)[] = [
      () => phone.actor.says(room, 'no'),
      () =>
        phone.actor.ok('POST', `/v3/rooms/${encodeURIComponent(room)}/receipt/m.read/${eventId}`, {
          body: {},
        }),
      () =>
        phone.actor.ok(
          'PUT',
          `/v3/rooms/${encodeURIComponent(room)}/typing/${encodeURIComponent(phone.userId)}`,
          {
            body: { typing: true, timeout: 5_000 },
          },
        ),
      () => desktop.actor.sets('hidden', 'a text for later'),
      () => phone.opens({ set_presence: 'online' }),
      // Some clients set a state of their own accord when the app comes to the front.
      () => phone.actor.sets('online'),
      async () => desktop.closes(),
      () => story.passes(10 * MINUTE),
      () => desktop.opens({ set_presence: 'online' }),
    ]
    for (const does of doings) {
      await does()
      await story.passes(10 * SECOND)
      expect((await bob.actor.status(phone.actor)).body).toEqual({ presence: 'offline' })
    }
    expect(bobHears()).toEqual([])
    // All the while she saw him, and her own devices know that she hides.
    expect(phone.seenOf(bob)).toMatch(/^(?:online|unavailable)/)
    expect((await phone.actor.status(phone.actor, 'api/v1')).body['presence']).toBe('hidden')

    await desktop.actor.sets('online')
    await story.rest()
    expect(bobHears()).toEqual(['online, active, "a text for later"'])
  })

  test('P-021a P-140 the phone may end the hiding when the device that began it is gone', async () => {
    await phone.opens()
    await desktop.opens()
    await desktop.actor.sets('hidden')
    await desktop.logsOut()
    await story.rest()
    bobHears()
    await phone.actor.sets('online')
    await story.rest()
    expect(bobHears()).toEqual(['online, active'])
  })
})
