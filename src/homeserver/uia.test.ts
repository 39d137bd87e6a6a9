import { describe, expect, test } from 'vitest'
import { seededRandom } from '../../test/support/accounts.ts'
import { ManualClock } from '../../test/support/manual-clock.ts'
import type { JsonObject } from '../matrix/json.ts'
import {
  createUia,
  DUMMY_FLOWS,
  dummyStage,
  PASSWORD_FLOWS,
  type Flow,
  type Uia,
  type UiaOutcome,
} from './uia.ts'

const TTL_MS = 86_400_000

function aUia(sessionsMax = 100): { uia: Uia; clock: ManualClock } {
  const clock = new ManualClock()
  return { clock, uia: createUia({ clock, random: seededRandom(3), sessionsMax, ttlMs: TTL_MS }) }
}

interface Ask {
  readonly operation?: string
  readonly flows?: readonly Flow[]
  readonly auth?: JsonObject
  readonly keep?: string
}

async function ask(
  uia: Uia,
  { operation = 'POST /x', flows = PASSWORD_FLOWS, auth, keep }: Ask,
): Promise<UiaOutcome> {
  return await uia.authenticate({
    operation,
    flows,
    stages: {
      'm.login.dummy': dummyStage,
      'm.login.password': async (stage) => stage.password === 'right',
    },
    auth,
    keep: async () => keep ?? null,
  })
}

function bodyOf(outcome: UiaOutcome): JsonObject {
  if (outcome.kind !== 'challenge') throw new Error('passed without a challenge')
  return outcome.body
}

describe('user-interactive authentication (§5.2.1)', () => {
  test('R-093 without auth it answers flows, params and a session, even for the dummy stage alone', async () => {
    const { uia } = aUia()
    const body = bodyOf(await ask(uia, { flows: DUMMY_FLOWS }))
    expect(body).toEqual({ flows: [{ stages: ['m.login.dummy'] }], params: {}, session: expect.any(String) })
    expect((body.session as string).length).toBeGreaterThanOrEqual(22)
  })

  test('R-094 the dummy stage passes with the session, and without one', async () => {
    const { uia } = aUia()
    const { session = null } = bodyOf(await ask(uia, { flows: DUMMY_FLOWS, keep: 'hash' }))
    const withSession = await ask(uia, { flows: DUMMY_FLOWS, auth: { type: 'm.login.dummy', session } })
    expect(withSession).toEqual({ kind: 'passed', kept: 'hash' })
    const without = await ask(uia, { flows: DUMMY_FLOWS, auth: { type: 'm.login.dummy' } })
    expect(without).toEqual({ kind: 'passed', kept: null })
  })

  test('R-108 a wrong password leaves the session as it was and says M_FORBIDDEN', async () => {
    const { uia } = aUia()
    const { session = null } = bodyOf(await ask(uia, {}))
    const wrong = bodyOf(await ask(uia, { auth: { type: 'm.login.password', session, password: 'wrong' } }))
    expect(wrong).toMatchObject({ errcode: 'M_FORBIDDEN', error: expect.any(String), session, completed: [] })
    expect(wrong.flows).toEqual([{ stages: ['m.login.password'] }])
    const right = await ask(uia, { auth: { type: 'm.login.password', session, password: 'right' } })
    expect(right.kind).toBe('passed')
  })

  test('R-108 a wrong password without a session gets one', async () => {
    const { uia } = aUia()
    const wrong = bodyOf(await ask(uia, { auth: { type: 'm.login.password', password: 'wrong' } }))
    expect(wrong).toMatchObject({ errcode: 'M_FORBIDDEN', session: expect.any(String) })
  })

  test('R-109 a session used for another operation is refused with 403, and stays good for its own', async () => {
    const { uia } = aUia()
    const { session = null } = bodyOf(await ask(uia, { operation: 'DELETE a' }))
    const auth = { type: 'm.login.password', session, password: 'right' }
    await expect(ask(uia, { operation: 'DELETE b', auth })).rejects.toMatchObject({
      status: 403,
      errcode: 'M_FORBIDDEN',
    })
    expect((await ask(uia, { operation: 'DELETE a', auth })).kind).toBe('passed')
  })

  test('a session is used up by passing, even when two requests pass at once', async () => {
    const { uia } = aUia()
    const { session = null } = bodyOf(await ask(uia, {}))
    const auth = { type: 'm.login.password', session, password: 'right' }
    const outcomes = await Promise.all([ask(uia, { auth }), ask(uia, { auth })])
    expect(outcomes.map(({ kind }) => kind).sort()).toEqual(['challenge', 'passed'])
    const again = bodyOf(await ask(uia, { auth }))
    expect(again.session).not.toBe(session)
  })

  test('an unknown session, and one that is too old, gets a new session', async () => {
    const { uia, clock } = aUia()
    const unknown = bodyOf(
      await ask(uia, { auth: { type: 'm.login.password', session: 'x', password: 'right' } }),
    )
    expect(unknown).toMatchObject({ session: expect.not.stringMatching(/^x$/) })
    const { session = null } = bodyOf(await ask(uia, {}))
    const auth = { type: 'm.login.password', session, password: 'right' }
    await clock.advance(TTL_MS)
    expect(bodyOf(await ask(uia, { auth })).session).not.toBe(session)
  })

  test('a session lives to the end of its time', async () => {
    const { uia, clock } = aUia()
    const { session = null } = bodyOf(await ask(uia, {}))
    await clock.advance(TTL_MS - 1)
    const auth = { type: 'm.login.password', session, password: 'right' }
    expect((await ask(uia, { auth })).kind).toBe('passed')
  })

  test('beyond the bound the oldest session is forgotten', async () => {
    const { uia } = aUia(2)
    const sessions: unknown[] = []
    for (let i = 0; i < 3; i += 1) sessions.push(bodyOf(await ask(uia, {})).session)
    const [first, , third] = sessions as string[]
    expect(bodyOf(await ask(uia, { auth: { session: third ?? '' } })).session).toBe(third)
    expect(bodyOf(await ask(uia, { auth: { session: first ?? '' } })).session).not.toBe(first)
  })

  test('a type that is not offered, or no text, is M_UNRECOGNIZED', async () => {
    const { uia } = aUia()
    const { session = null } = bodyOf(await ask(uia, {}))
    for (const type of ['m.login.dummy', 'm.login.sso', '__proto__', 7, null]) {
      const body = bodyOf(await ask(uia, { auth: { type, session } }))
      expect(body).toMatchObject({ errcode: 'M_UNRECOGNIZED', session })
    }
  })

  test('a session alone asks how it stands', async () => {
    const { uia } = aUia()
    const flows = [['m.login.dummy', 'm.login.password']]
    const { session = null } = bodyOf(await ask(uia, { flows }))
    expect(bodyOf(await ask(uia, { flows, auth: { session } }))).toEqual({
      flows: [{ stages: ['m.login.dummy', 'm.login.password'] }],
      params: {},
      session,
    })
    const half = bodyOf(await ask(uia, { flows, auth: { type: 'm.login.dummy', session } }))
    expect(half).toMatchObject({ completed: ['m.login.dummy'], session })
    expect(half.errcode).toBeUndefined()
    expect(bodyOf(await ask(uia, { flows, auth: { session } })).completed).toEqual(['m.login.dummy'])
    const done = await ask(uia, { flows, auth: { type: 'm.login.password', session, password: 'right' } })
    expect(done.kind).toBe('passed')
  })

  test('a flow of two stages does not pass on one of them without a session', async () => {
    const { uia } = aUia()
    const flows = [['m.login.dummy', 'm.login.password']]
    const half = bodyOf(await ask(uia, { flows, auth: { type: 'm.login.dummy' } }))
    expect(half).toMatchObject({ completed: ['m.login.dummy'], session: expect.any(String) })
  })
})
