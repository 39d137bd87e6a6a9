import type { DatabaseSync } from 'node:sqlite'
import type { Kysely } from 'kysely'
import { must } from '../../base/assert.ts'
import { PRIMARY_KEYS, type TableName, type Tables, type Write } from '../../ports/store.ts'
import { COLUMNS, copyRow, copyWhere } from '../columns.ts'
import { type Argument, command } from './query.ts'

/** One prepared change, with its values; run inside a transaction. */
export type Step = () => void
type Command = (...args: Argument[]) => void
type UntypedTables = Record<string, Record<string, Argument>>

/** Turns the port's writes into steps. The values are checked and copied at once, so the caller may go on using its rows. */
export class Writer {
  readonly #db: DatabaseSync
  readonly #text: Kysely<UntypedTables>
  readonly #puts = new Map<TableName, Command>()
  /** One for each set of columns that the code drops by, so there are few. */
  readonly #drops = new Map<string, Command>()
  readonly #dropTransactions: Command
  readonly #dropInbound: Command
  readonly #dropServerKeys: Command

  constructor(db: DatabaseSync, text: Kysely<Tables>) {
    this.#db = db
    this.#text = text as unknown as Kysely<UntypedTables>
    for (const name of Object.keys(COLUMNS) as TableName[]) this.#puts.set(name, this.#makePut(name))
    this.#dropTransactions = command(db, 1, (createdBefore: Argument) =>
      this.#text.deleteFrom('transactions').where('createdTs', '<', createdBefore),
    )
    this.#dropServerKeys = command(db, 1, (now: Argument) =>
      this.#text.deleteFrom('serverKeys').where('validUntilTs', '<', now),
    )
    this.#dropInbound = command(db, 1, (before: Argument) =>
      this.#text.deleteFrom('inboundTransactions').where('ts', '<', before),
    )
  }

  step(write: Write): Step {
    if ('drop' in write) {
      const where = copyWhere(write.drop, write.where)
      const run = this.#dropBy(write.drop, Object.keys(where))
      return () => run(...Object.values(where))
    }
    const row = copyRow(write.put, write.row)
    const run = must(this.#puts.get(write.put), `the statement for ${write.put}`)
    return () => run(...(Object.values(row) as Argument[]))
  }

  dropTransactions(createdBefore: number): Step {
    return () => this.#dropTransactions(createdBefore)
  }

  dropServerKeys(now: number): Step {
    return () => this.#dropServerKeys(now)
  }

  dropInboundTransactions(before: number): Step {
    return () => this.#dropInbound(before)
  }

  #makePut(name: TableName): Command {
    const columns = Object.keys(COLUMNS[name])
    const key: readonly string[] = PRIMARY_KEYS[name]
    const others = columns.filter((column) => !key.includes(column))
    return command(this.#db, columns.length, (...cells: Argument[]) =>
      this.#text
        .insertInto(name)
        .values(Object.fromEntries(columns.map((column, index) => [column, cells[index] as Argument])))
        .onConflict((conflict) => {
          const same = conflict.columns([...key])
          if (others.length === 0) return same.doNothing()
          return same.doUpdateSet((row) =>
            Object.fromEntries(others.map((column) => [column, row.ref(`excluded.${column}`)])),
          )
        }),
    )
  }

  #dropBy(name: TableName, columns: readonly string[]): Command {
    const cacheKey = `${name}:${columns.join()}`
    const made = this.#drops.get(cacheKey) ?? this.#makeDrop(name, columns)
    this.#drops.set(cacheKey, made)
    return made
  }

  #makeDrop(name: TableName, columns: readonly string[]): Command {
    return command(this.#db, columns.length, (...cells: Argument[]) => {
      let statement = this.#text.deleteFrom(name)
      for (const [index, column] of columns.entries())
        statement = statement.where(column, 'is', cells[index] as Argument)
      return statement
    })
  }
}
