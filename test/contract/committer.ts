import { openSqliteStore } from '../../src/store/sqlite/open.ts'

/**
 * A process to be killed: `committer.ts FILE ROUND` commits pairs of rows without end, several commits at a time, and
 * prints the number of each once it was acknowledged.
 */
const [path = '', round = ''] = process.argv.slice(2)
const COMMITTERS = 20

const store = await openSqliteStore({ path })
let last = 0

async function commitForEver(): Promise<never> {
  for (;;) {
    const id = `${round}-${(last += 1)}`
    await store.commit([
      { put: 'meta', row: { key: `${id} first`, value: 'x'.repeat(500) } },
      { put: 'meta', row: { key: `${id} second`, value: id } },
    ])
    process.stdout.write(`${id}\n`)
  }
}

await Promise.all(Array.from({ length: COMMITTERS }, commitForEver))
