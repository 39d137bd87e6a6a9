import { expect, test } from 'vitest'
import type { DeviceId, UserId } from '../matrix/ids.ts'
import { DeviceNumbers } from './device-numbers.ts'

const ALICE = '@alice:home.example' as UserId
const BOB = '@bob:home.example' as UserId
const PHONE = 'PHONE' as DeviceId
const LAPTOP = 'LAPTOP' as DeviceId

test('two users with the same device ID have different devices', () => {
  const devices = new DeviceNumbers()
  const alice = devices.intern(ALICE, PHONE)
  expect(devices.intern(BOB, PHONE)).not.toBe(alice)
  expect(devices.intern(ALICE, PHONE)).toBe(alice)
  expect(devices.id(alice)).toBe(PHONE)
})

test('a question does not give out a number', () => {
  const devices = new DeviceNumbers()
  expect(devices.find(ALICE, PHONE)).toBeNull()
  expect(devices.find(ALICE, PHONE)).toBeNull()
})

test('a forgotten number is never given out again', () => {
  const devices = new DeviceNumbers()
  const first = devices.intern(ALICE, PHONE)
  devices.forget(ALICE, PHONE)
  expect(devices.id(first)).toBeNull()
  expect(devices.find(ALICE, PHONE)).toBeNull()
  expect(devices.intern(ALICE, PHONE)).not.toBe(first)
})

test('forgetting all of a user leaves the others', () => {
  const devices = new DeviceNumbers()
  devices.intern(ALICE, PHONE)
  devices.intern(ALICE, LAPTOP)
  const bob = devices.intern(BOB, PHONE)
  devices.forgetAll(ALICE)
  expect([devices.find(ALICE, PHONE), devices.find(ALICE, LAPTOP)]).toEqual([null, null])
  expect(devices.find(BOB, PHONE)).toBe(bob)
})
