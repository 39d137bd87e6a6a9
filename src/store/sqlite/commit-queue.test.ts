import { DatabaseSync } from 'node:sqlite'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { COMMIT_GROUP_MAX, CommitQueue } from './commit-queue.ts'

let folder: string
let db: DatabaseSync
let queue: CommitQueue
let saved: number[]

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'adsum-queue-'))
  db = new DatabaseSync(join(folder, 'a.db'), { timeout: 0 })
  db.exec('create table t (id integer primary key, text text)')
  saved = []
  queue = new CommitQueue({
    db,
    path: 'a.db',
    lastPosition: 0,
    savePosition: (pos) => void saved.push(pos),
  })
})
afterEach(() => {
  db.close()
  rmSync(folder, { recursive: true, force: true })
})

const insert = (id: number, text = ''): (() => void) => {
  return () => void db.prepare('insert into t values (?, ?)').run(id, text)
}

function count(): unknown {
  return db.prepare('select count(*) as count from t').get()?.['count']
}

test('the commits of one turn share a transaction, up to the group’s bounds', async () => {
  await Promise.all(Array.from({ length: COMMIT_GROUP_MAX * 2 + 1 }, (_, i) => queue.add([insert(i)], i + 1)))
  expect(saved).toEqual([COMMIT_GROUP_MAX, COMMIT_GROUP_MAX * 2, COMMIT_GROUP_MAX * 2 + 1])
})

test('a large commit is done with those before it, or alone', async () => {
  const large = Array.from({ length: 1_500 }, (_, i) => insert(1_000 + i))
  await Promise.all([queue.add([insert(1)], 1), queue.add(large, 2), queue.add([insert(2)], 3)])
  expect(saved).toEqual([1, 2, 3])
  expect(count()).toBe(1_502)
})

test('the last position moves when the commit is durable, and not for one that failed', async () => {
  const done = queue.add([insert(1)], 5)
  expect(queue.lastPosition).toBe(0)
  await done
  expect(queue.lastPosition).toBe(5)
  await expect(queue.add([insert(1)], 9)).rejects.toMatchObject({ reason: 'conflict' })
  expect(queue.lastPosition).toBe(5)
  expect(saved).toEqual([5])
})

test('a disk that is full fails what does not fit; what fits later is committed', async () => {
  const pages = db.prepare('pragma page_count').get()?.['page_count'] as number
  db.exec(`pragma max_page_count = ${pages + 3}`)
  const results = await Promise.allSettled([
    queue.add([insert(1)], 1),
    queue.add([insert(2), insert(3, 'x'.repeat(100_000))], 2),
  ])
  expect(results[1]).toMatchObject({ status: 'rejected', reason: { reason: 'unusable' } })
  const first = results[0].status === 'fulfilled' ? 1 : 0
  expect(count()).toBe(first)
  await queue.add([insert(4)], 3)
  expect(count()).toBe(first + 1)
})

test('a transaction that fails as a whole fails all its commits and leaves nothing open', async () => {
  let broken = true
  const savePosition = (): void => {
    if (broken) throw new Error('broken')
  }
  const other = new CommitQueue({ db, path: 'a.db', lastPosition: 0, savePosition })
  const results = await Promise.allSettled([other.add([insert(1)], 1), other.add([insert(2)], 2)])
  expect(results.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
  expect([count(), other.lastPosition, db.isTransaction]).toEqual([0, 0, false])
  broken = false
  await other.add([insert(3)], 3)
  expect([count(), other.lastPosition]).toEqual([1, 3])
})

test('while somebody else holds the database, commits fail as locked and nothing is lost or left open', async () => {
  const other = new DatabaseSync(join(folder, 'a.db'))
  other.exec('begin immediate')
  const results = await Promise.allSettled([queue.add([insert(1)], 1), queue.add([insert(2)], 2)])
  expect(results).toMatchObject([{ reason: { reason: 'locked' } }, { reason: { reason: 'locked' } }])
  other.exec('commit')
  other.close()
  await queue.add([insert(3)], 3)
  expect(count()).toBe(1)
})

test('a bug in one commit rejects that one with the bug itself', async () => {
  const bug = new TypeError('not a function')
  const broken = queue.add(
    [
      insert(1),
      () => {
        throw bug
      },
    ],
    1,
  )
  const sound = queue.add([insert(2)], 2)
  await expect(broken).rejects.toBe(bug)
  await sound
  expect(count()).toBe(1)
})

test('flush commits at once what waits, in order', async () => {
  const order: number[] = []
  const all = [1, 2, 3].map((id) => queue.add([insert(id)], id).then(() => order.push(id)))
  queue.flush()
  expect(count()).toBe(3)
  await Promise.all(all)
  expect(order).toEqual([1, 2, 3])
})
