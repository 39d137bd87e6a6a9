import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { aUserHouse, parsed } from '../../test/support/user-house.ts'
import { SERVER } from '../../test/support/accounts.ts'
import { Serial } from '../base/serial.ts'
import { MatrixError } from '../matrix/errors.ts'
import { makeUserId, type UserId } from '../matrix/ids.ts'
import type { Store } from '../ports/store.ts'
import { createFilters, FILTERS_PER_USER_MAX, type Filters } from './filters.ts'

const ALICE = makeUserId('alice', SERVER)
const BOB = makeUserId('bob', SERVER)

/** Nobody here has an account. */
function filtersOn(store: Store): Filters {
  return createFilters({ store, activeUsers: new Serial<UserId>(), filtersMax: 10 })
}

async function someFilters(): Promise<Filters & { readonly store: Store }> {
  const { store } = await aUserHouse()
  return { ...filtersOn(store), store }
}

const refusal = (errcode: string, status = 400): object => ({ name: 'MatrixError', status, errcode })

describe('stored filters', () => {
  test('R-182 a stored filter comes back unchanged, also from another memory', async () => {
    const filters = await someFilters()
    const text = '{"room":{"timeline":{"limit":7}},"__proto__":{"a":1},"org.example":[1.5,null]}'
    const filterId = await filters.upload(ALICE, parsed(text))
    expect(filterId).toMatch(/^[A-Za-z0-9_-]{1,32}$/)
    expect(JSON.stringify(await filters.get(ALICE, filterId))).toBe(text)
    const others = filtersOn(filters.store)
    expect(JSON.stringify(await others.get(ALICE, filterId))).toBe(text)
    expect(JSON.stringify(await others.resolve(ALICE, filterId))).toBe(text)
  })

  test('R-182 an unknown ID, and the ID of another user, name nothing', async () => {
    const filters = await someFilters()
    const filterId = await filters.upload(ALICE, { presence: { types: [] } })
    // Read by the one who may first, so that what is remembered is not shown to the other.
    expect(await filters.get(ALICE, filterId)).not.toBeNull()
    expect(await filters.get(BOB, filterId)).toBeNull()
    for (const unknown of ['', 'nothing', '0', '__proto__', ' ', '[]', `${filterId} `]) {
      expect(await filters.get(ALICE, unknown), unknown).toBeNull()
      await expect(filters.resolve(ALICE, unknown), unknown).rejects.toMatchObject(refusal('M_INVALID_PARAM'))
    }
  })

  test('R-182 an equal filter has the same ID and takes no place; another has another ID', async () => {
    const filters = await someFilters()
    const one = await filters.upload(ALICE, { presence: { limit: 1 } })
    expect(await filters.upload(ALICE, { presence: { limit: 1 } })).toBe(one)
    expect(await filters.upload(ALICE, { presence: { limit: 2 } })).not.toBe(one)
    expect(await filters.store.filters(ALICE)).toHaveLength(2)
  })

  test('R-182 a user stores so many filters and no more; what is stored stays, and others are not held up', async () => {
    const filters = await someFilters()
    for (let limit = 1; limit <= FILTERS_PER_USER_MAX; limit += 1)
      await filters.upload(ALICE, { presence: { limit } })
    await expect(filters.upload(ALICE, { presence: { limit: 1_000 } })).rejects.toMatchObject(
      refusal('M_TOO_LARGE', 413),
    )
    const again = await filters.upload(ALICE, { presence: { limit: 1 } })
    expect(await filters.get(ALICE, again)).toEqual({ presence: { limit: 1 } })
    await filters.upload(BOB, { presence: { limit: 1_000 } })
    expect(await filters.store.filters(ALICE)).toHaveLength(FILTERS_PER_USER_MAX)
  })
})

describe('filters in the query', () => {
  test('P-102 R-181 an inline filter of the wrong shape is M_INVALID_PARAM, what is not JSON is M_NOT_JSON', async () => {
    const filters = await someFilters()
    const malformed = [
      '{"presence":[]}',
      '{"presence":{"limit":0}}',
      '{"presence":{"types":"x"}}',
      '{"room":{"timeline":{"limit":"10"}}}',
      '{"event_format":"xml"}',
      '{"a":1,"a":2}',
      `{"a":${'['.repeat(200)}${']'.repeat(200)}}`,
    ]
    for (const text of malformed)
      await expect(filters.resolve(ALICE, text), text).rejects.toMatchObject(refusal('M_INVALID_PARAM'))
    for (const text of ['{', '{"presence":}', "{'a':1}", '{"a":NaN}', '{} {}', '{"a":1,"a":2'])
      await expect(filters.resolve(ALICE, text), text).rejects.toMatchObject(refusal('M_NOT_JSON'))
  })

  test('R-181 an inline filter is used as it is and stored nowhere', async () => {
    const filters = await someFilters()
    expect(await filters.resolve(ALICE, '{"presence":{"types":[]}}')).toEqual({ presence: { types: [] } })
    expect(await filters.resolve(ALICE, '{}')).toEqual({})
    expect(await filters.store.filters(ALICE)).toEqual([])
  })

  test('R-181 no text makes anything but a filter or a refusal', async () => {
    const filters = await someFilters()
    const known = await filters.upload(ALICE, {})
    const texts = fc.oneof(
      fc.string({ unit: 'binary-ascii' }),
      fc.json(),
      fc.json().map((json) => `{"presence":${json},"room":${json}}`),
      fc.constant(known),
    )
    await fc.assert(
      fc.asyncProperty(texts, async (text) => {
        try {
          expect(typeof (await filters.resolve(ALICE, text))).toBe('object')
        } catch (error) {
          expect(error).toBeInstanceOf(MatrixError)
          expect((error as MatrixError).status).toBe(400)
        }
      }),
    )
  })
})
