import { StoreFailure, type StoreFailureReason } from '../failure.ts'

const SQLITE_BUSY = 5
const SQLITE_LOCKED = 6
const SQLITE_CONSTRAINT = 19

/** The store's own failure for what node:sqlite, or the file system, threw; anything else is a bug and stays as it is. */
export function translated(error: unknown, path: string): unknown {
  if (!(error instanceof Error) || error instanceof StoreFailure) return error
  const { errcode, code, syscall } = error as Error & { errcode?: number; code?: string; syscall?: string }
  if (code !== 'ERR_SQLITE_ERROR' && syscall === undefined) return error
  const reason = errcode === undefined ? 'unusable' : reasonOf(errcode)
  return new StoreFailure(reason, `${SENTENCES[reason](path)}: ${error.message}.`, { cause: error })
}

function reasonOf(errcode: number): Exclude<StoreFailureReason, 'closed' | 'newer' | 'overloaded'> {
  // The low byte; the rest says more than anybody asks.
  switch (errcode & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return 'locked'
    case SQLITE_CONSTRAINT:
      return 'conflict'
    default:
      return 'unusable'
  }
}

const SENTENCES = {
  locked: (path: string) => `The database ${path} is locked by another process`,
  conflict: (path: string) => `A row does not fit into the database ${path}`,
  unusable: (path: string) => `The database ${path} cannot be used`,
} as const
