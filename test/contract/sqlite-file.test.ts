import { spawn } from 'node:child_process'
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Store } from '../../src/ports/store.ts'
import { openSqliteStore } from '../../src/store/sqlite/open.ts'
import { ALICE, drop, PHONE, put, ROOM, row, TABLE_NAMES } from './rows.ts'

let folder: string
let path: string
const opened: Store[] = []

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'adsum-sqlite-'))
  path = join(folder, 'data', 'adsum.db')
})
afterEach(async () => {
  for (const store of opened.splice(0)) await store.close()
  rmSync(folder, { recursive: true, force: true })
})

async function open(): Promise<Store> {
  const store = await openSqliteStore({ path })
  opened.push(store)
  return store
}

/** Runs statements on the closed file, behind the store's back. */
function tamper(statements: string): void {
  const db = new DatabaseSync(path)
  db.exec(statements)
  db.close()
}

interface Committer {
  readonly acknowledged: () => string[]
  /** Resolves when so many commits were acknowledged. */
  readonly after: (count: number) => Promise<void>
  readonly kill: () => Promise<void>
}

function startCommitter(round: number): Committer {
  const script = join(import.meta.dirname, 'committer.ts')
  const child = spawn(process.execPath, [script, path, String(round)])
  let printed = ''
  let failure = ''
  const waiting: { count: number; resolve: () => void; reject: (why: Error) => void }[] = []
  const acknowledged = (): string[] => printed.split('\n').slice(0, -1)
  child.stderr.setEncoding('utf8').on('data', (text: string) => (failure += text))
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    printed += text
    for (const { count, resolve } of waiting) if (acknowledged().length >= count) resolve()
  })
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()))
  void ended.then(() => {
    for (const { reject } of waiting) reject(new Error(`the process ended: ${failure}`))
  })
  return {
    acknowledged,
    after: (count) => new Promise((resolve, reject) => void waiting.push({ count, resolve, reject })),
    kill: () => {
      child.kill('SIGKILL')
      return ended
    },
  }
}

describe('what a commit acknowledged', () => {
  test('DESIGN §3.8 survives a kill -9, and no commit is there by half', async () => {
    for (const round of [1, 2, 3]) {
      const committer = startCommitter(round)
      await committer.after(150 * round)
      await committer.kill()
      const store = await openSqliteStore({ path })
      const acknowledged = committer.acknowledged()
      expect(acknowledged.length).toBeGreaterThanOrEqual(150 * round)
      for (const id of acknowledged) expect(await store.meta(`${id} second`)).toBe(id)
      for (let i = 1; i <= acknowledged.length + 100; i += 1) {
        const id = `${round}-${i}`
        const halves = [await store.meta(`${id} first`), await store.meta(`${id} second`)]
        expect(halves.filter((half) => half === null).length, `halves of ${id}`).not.toBe(1)
      }
      await store.close()
    }
  })

  test('is all there after closing and opening again, the last position included', async () => {
    const first = await open()
    await first.commit(TABLE_NAMES.map((name) => put(name)))
    await first.commit([put('oneTimeKeys', { keyId: 'claimed', pos: 77 })])
    await first.commit([drop('oneTimeKeys', { keyId: 'claimed' })])
    await first.close()
    const second = await open()
    expect(await second.lastPosition()).toBe(77)
    expect(await second.devices(ALICE)).toEqual([row('devices')])
    expect(await second.oneTimeKeys(ALICE, PHONE)).toEqual([row('oneTimeKeys')])
    expect(await second.all('memberships')).toEqual([row('memberships')])
    expect(await second.stateHistory(ROOM, 'm.room.name', '')).toEqual([row('stateLog')])
  })
})

describe('one process at a time', () => {
  test('a second one is refused while the first lives, and let in once it was killed', async () => {
    const committer = startCommitter(1)
    await committer.after(1)
    await expect(openSqliteStore({ path })).rejects.toMatchObject({
      name: 'StoreFailure',
      reason: 'locked',
      message: `The database ${path} is in use: another process serves it, and only one may.`,
    })
    await committer.kill()
    const store = await open()
    expect(await store.meta('1-1 second')).toBe('1-1')
  })

  test('a second store in this process is refused, and refusing it does not let others in', async () => {
    const first = await open()
    await expect(openSqliteStore({ path })).rejects.toMatchObject({ reason: 'locked' })
    await expect(openSqliteStore({ path })).rejects.toMatchObject({ reason: 'locked' })
    await expect(startCommitter(1).after(1)).rejects.toThrow('in use')
    await first.close()
    expect(await (await open()).meta('1-1 second')).toBeNull()
  })
})

describe('the file', () => {
  test('and its folder are for their owner only', async () => {
    const store = await open()
    await store.commit([put('meta')])
    const modeOf = (file: string): string => (statSync(file).mode & 0o777).toString(8)
    expect(modeOf(join(folder, 'data'))).toBe('700')
    for (const suffix of ['', '-wal', '-shm', '.lock']) expect(modeOf(path + suffix)).toBe('600')
  })

  test('is left as the operator set it', async () => {
    await (await open()).close()
    chmodSync(path, 0o640)
    await (await open()).close()
    expect((statSync(path).mode & 0o777).toString(8)).toBe('640')
  })

  test('is whole by itself after closing', async () => {
    const store = await open()
    await store.commit([put('meta', { value: 'found in the file' })])
    await store.close()
    expect(readFileSync(path).includes('found in the file')).toBe(true)
    expect(() => statSync(`${path}-wal`)).toThrow('ENOENT')
  })

  test('of a newer version is refused and left alone', async () => {
    await (await open()).close()
    tamper(`insert into migrations (name, timestamp) values ('9999-future', 'then')`)
    const before = readFileSync(path)
    await expect(openSqliteStore({ path })).rejects.toMatchObject({
      reason: 'newer',
      message: expect.stringContaining('newer version of this software (it has 9999-future'),
    })
    expect(readFileSync(path).equals(before)).toBe(true)
    tamper(`delete from migrations where name = '9999-future'`)
    await open()
  })

  test('of an older version is brought up to date and keeps what it holds', async () => {
    const before = await open()
    await before.commit([put('meta', { value: 'from before' })])
    await before.close()
    const added =
      'presence_list presence_grants presence_list_news invite_policies erasures ' +
      'list_outbox list_peers polls destinations server_keys inbound_transactions'
    tamper('alter table presence drop column refreshed_ts')
    tamper(
      added
        .split(' ')
        .map((table) => `drop table ${table};`)
        .join('\n'),
    )
    tamper(`delete from migrations where name > '0001-initial'`)
    const after = await open()
    expect(await after.meta('epoch')).toBe('from before')
    await after.commit([put('presenceGrants')])
    expect(await after.all('presenceGrants')).toEqual([row('presenceGrants')])
  })

  test('that is no database is refused with its name, and let go', async () => {
    path = join(folder, 'notes.txt')
    writeFileSync(path, 'Dear diary, '.repeat(100))
    for (let i = 0; i < 2; i += 1)
      await expect(openSqliteStore({ path })).rejects.toMatchObject({
        reason: 'unusable',
        message: `The database ${path} cannot be used: file is not a database.`,
      })
    expect(readFileSync(path, 'utf8')).toContain('Dear diary')
  })

  test('that cannot be made is refused with its name', async () => {
    writeFileSync(join(folder, 'file'), '')
    path = join(folder, 'file', 'adsum.db')
    await expect(openSqliteStore({ path })).rejects.toMatchObject({
      reason: 'unusable',
      message: expect.stringContaining(path),
    })
  })
})
