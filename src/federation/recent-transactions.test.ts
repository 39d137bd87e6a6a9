import { expect, test } from 'vitest'
import { must } from '../base/assert.ts'
import { parseServerName, type ServerName } from '../matrix/ids.ts'
import { RecentTransactions } from './recent-transactions.ts'

const server = (name: string): ServerName => must(parseServerName(name), name)

test('P-163 the newest of each server are kept; what was told again is the newest', () => {
  const recent = new RecentTransactions({ answersPerOriginMax: 2, originsMax: 10 })
  expect(['a', 'b', 'a', 'c', 'd'].map((id) => recent.add(server('one'), id))).toEqual([
    [],
    [],
    [],
    ['b'],
    ['a'],
  ])
  expect(recent.add(server('two'), 'a')).toEqual([])
})

test('beyond the servers the one that was silent longest is forgotten', () => {
  const recent = new RecentTransactions({ answersPerOriginMax: 1, originsMax: 2 })
  for (const name of ['one', 'two', 'one', 'three']) recent.add(server(name), 'a')
  expect(recent.add(server('one'), 'b')).toEqual(['a'])
  expect(recent.add(server('two'), 'b')).toEqual([])
})
