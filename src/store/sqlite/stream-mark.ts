import type { DatabaseSync } from 'node:sqlite'

/** The highest position ever stored, kept apart from the rows, which may be dropped. */
interface StreamMark {
  readonly read: () => number
  /** Within a transaction. */
  readonly save: (pos: number) => void
}

export function openStreamMark(db: DatabaseSync): StreamMark {
  const select = db.prepare('select last_pos from stream where id = 1')
  const update = db.prepare('update stream set last_pos = ? where id = 1')
  return {
    read: () => select.get()?.['last_pos'] as number,
    save: (pos) => void update.run(pos),
  }
}
