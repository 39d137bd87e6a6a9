import { describe, expect, test } from 'vitest'
import {
  DEFAULT_ROOM_VERSION,
  declaredRoomVersion,
  ROOM_VERSIONS,
  roomVersion,
  type RoomVersion,
} from './index.ts'

/** The table of ROOMS-SPEC §1.3: the first version with each switch, up to 12. */
const SINCE: readonly (readonly [switched: keyof RoomVersion, since: number])[] = [
  ['knocking', 7],
  ['restrictedJoins', 8],
  ['redactionKeepsAllow', 8],
  ['redactionKeepsAuthorisingUser', 9],
  ['integerPowerLevels', 10],
  ['knockRestrictedJoins', 10],
  ['redactsInContent', 11],
  ['revisedRedaction', 11],
  ['limitsInBytes', 11],
  ['roomIdFromCreate', 12],
  ['infiniteCreators', 12],
]

describe('the table of room versions', () => {
  test('6 to 12 are known, 11 is the default', () => {
    expect(ROOM_VERSIONS.map(({ id }) => id)).toEqual(['6', '7', '8', '9', '10', '11', '12'])
    expect(DEFAULT_ROOM_VERSION).toBe('11')
    expect(roomVersion(DEFAULT_ROOM_VERSION)?.id).toBe('11')
  })

  for (const [switched, since] of SINCE) {
    test(`${switched} since version ${since}`, () => {
      const on = ROOM_VERSIONS.filter((version) => version[switched] === true).map(({ id }) => Number(id))
      expect(on).toEqual([6, 7, 8, 9, 10, 11, 12].filter((id) => id >= since))
    })
  }

  test('the create event is cited up to version 11', () => {
    expect(ROOM_VERSIONS.filter((version) => !version.createInAuthEvents).map(({ id }) => id)).toEqual(['12'])
  })

  test('the creator: in content, then the sender, then also others', () => {
    expect(ROOM_VERSIONS.map(({ creator }) => creator)).toEqual([
      ...Array.from({ length: 5 }, () => 'content'),
      'sender',
      'sender-and-additional',
    ])
  })
})

test('R-005 a create event without room_version is of version 1, which is not known yet', () => {
  expect(declaredRoomVersion({})).toBe(roomVersion('1'))
  expect(declaredRoomVersion({ room_version: '11' })).toBe(roomVersion('11'))
  expect(declaredRoomVersion({ room_version: 11 })).toBeNull()
})

test('R-006 versions are compared for equality only', () => {
  for (const id of ['011', '11 ', '11.0', '', 'constructor', '__proto__']) expect(roomVersion(id)).toBeNull()
})
