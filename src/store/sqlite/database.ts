import { DatabaseSync } from 'node:sqlite'
import { personMatches } from '../search.ts'

/** How long a tool beside the server, such as a backup, may hold the database before a commit fails. */
const BUSY_TIMEOUT_MS = 5_000
const CACHE_KIB = 16_384
/** The write-ahead log is cut back to this after a burst. */
const LOG_BYTES_MAX = 67_108_864

/** Opens the file so that what is committed is on the disk, with the functions that our queries call. */
export function openDatabase(path: string): DatabaseSync {
  const db = new DatabaseSync(path, { timeout: BUSY_TIMEOUT_MS })
  try {
    db.exec(`
      pragma journal_mode = wal;
      pragma synchronous = full;
      pragma cache_size = -${CACHE_KIB};
      pragma journal_size_limit = ${LOG_BYTES_MAX};
      pragma trusted_schema = off;
    `)
  } catch (error) {
    db.close()
    throw error
  }
  db.function('person_matches', { deterministic: true, directOnly: true }, (userId, json, part) =>
    personMatches(userId as string, json as string | null, part as string) ? 1 : 0,
  )
  return db
}

/** Leaves one tidy file behind: closing the last handle writes the log back and removes it. */
export function closeDatabase(db: DatabaseSync): void {
  try {
    db.exec('pragma optimize')
  } finally {
    db.close()
  }
}
