import { beforeEach, expect, test } from 'vitest'
import { ManualClock } from '../../test/support/manual-clock.ts'
import type { UserId } from '../matrix/ids.ts'
import type { ProfileAnswer } from '../ports/remote-profiles.ts'
import { createRemoteFields, type RemoteFields } from './remote-fields.ts'

const ZOE = '@zoe:far' as UserId
const DAY = 86_400_000
const PROFILE: ProfileAnswer = { kind: 'profile', fields: { displayname: 'Zoe', 'm.tz': 'Europe/Zurich' } }

let clock: ManualClock
let answer: () => Promise<ProfileAnswer>
let asked: UserId[]
let fields: RemoteFields

beforeEach(() => {
  clock = new ManualClock()
  asked = []
  answer = async () => PROFILE
  const ask = (userId: UserId): Promise<ProfileAnswer> => {
    asked.push(userId)
    return answer()
  }
  fields = createRemoteFields({ ask, clock, usersMax: 2 })
})

test('§2.10 what was told is good for a day, and then asked for again', async () => {
  expect(await fields.get(ZOE)).toEqual({ displayname: 'Zoe', 'm.tz': 'Europe/Zurich' })
  await clock.advance(DAY - 1)
  await fields.get(ZOE)
  expect(asked).toEqual([ZOE])
  await clock.advance(1)
  await fields.get(ZOE)
  expect(asked).toEqual([ZOE, ZOE])
})

test('§2.10 that there is none, or that it is not told, is passed on and asked again', async () => {
  answer = async () => ({ kind: 'none' })
  expect(await fields.get(ZOE)).toBeNull()
  answer = async () => ({ kind: 'forbidden' })
  await expect(fields.get(ZOE)).rejects.toMatchObject({ status: 403, errcode: 'M_FORBIDDEN' })
  answer = async () => PROFILE
  expect(await fields.get(ZOE)).not.toBeNull()
})

test('§2.10 no answer is 502, and nothing is made up', async () => {
  answer = () => Promise.reject(new Error('refused'))
  await expect(fields.get(ZOE)).rejects.toMatchObject({ status: 502, errcode: 'M_UNKNOWN' })
  answer = async () => PROFILE
  expect(await fields.get(ZOE)).not.toBeNull()
})

test('who asks at the same time shares one question, its failure too', async () => {
  const gate = Promise.withResolvers<ProfileAnswer>()
  answer = () => gate.promise
  const both = Promise.allSettled([fields.get(ZOE), fields.get(ZOE)])
  gate.reject(new Error('refused'))
  expect((await both).map(({ status }) => status)).toEqual(['rejected', 'rejected'])
  expect(asked).toEqual([ZOE])
})

test('L-18 only so many are kept', async () => {
  for (const name of ['a', 'b', 'c']) await fields.get(`@${name}:far` as UserId)
  await fields.get('@a:far' as UserId)
  await fields.get('@c:far' as UserId)
  expect(asked.map((userId) => userId.slice(1, 2))).toEqual(['a', 'b', 'c', 'a'])
})
