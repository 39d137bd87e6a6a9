import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite'
import type { Compilable } from 'kysely'
import { assert } from '../../base/assert.ts'

/** Stands for the argument at `index` while a query's text is made. */
class Placeholder {
  readonly index: number

  constructor(index: number) {
    this.index = index
  }
}

export type Argument = string | number | null

/** A statement that is made and prepared once; `arrange` puts the caller's arguments where the text wants them. */
interface Prepared {
  readonly statement: StatementSync
  readonly arrange: (args: readonly Argument[]) => SQLInputValue[]
}

/**
 * A query with its text made once: `build` is called a single time, with placeholders for its arguments, which it may
 * only pass on to kysely as values. The answer runs it at once and gives rows as plain objects with the port's names.
 */
export function query<Args extends readonly Argument[], Result>(
  db: DatabaseSync,
  build: (...args: Args) => Compilable<Result>,
): (...args: Args) => Result[] {
  const { statement, arrange } = prepare(db, build(...(placeholders(build.length) as unknown as Args)))
  const names = statement.columns().map(({ name }) => camelCase(name))
  statement.setReturnArrays(true)
  return (...args) => {
    const rows = statement.all(...arrange(args)) as unknown as Argument[][]
    return rows.map((cells) => named(names, cells)) as Result[]
  }
}

/** The same for a statement that returns nothing and takes so many arguments. */
export function command<Args extends readonly Argument[]>(
  db: DatabaseSync,
  argumentCount: number,
  build: (...args: Args) => Compilable,
): (...args: Args) => void {
  const { statement, arrange } = prepare(db, build(...(placeholders(argumentCount) as unknown as Args)))
  return (...args) => void statement.run(...arrange(args))
}

function placeholders(count: number): Placeholder[] {
  return Array.from({ length: count }, (_, index) => new Placeholder(index))
}

function prepare(db: DatabaseSync, built: Compilable): Prepared {
  const { sql, parameters } = built.compile()
  const arrange = (args: readonly Argument[]): SQLInputValue[] =>
    parameters.map((parameter) => {
      const value = parameter instanceof Placeholder ? args[parameter.index] : (parameter as Argument)
      assert(value !== undefined, 'every placeholder has its argument')
      return value
    })
  return { statement: db.prepare(sql), arrange }
}

function named(names: readonly string[], cells: readonly Argument[]): Record<string, Argument> {
  const row: Record<string, Argument> = {}
  for (const [index, name] of names.entries()) row[name] = cells[index] as Argument
  return row
}

function camelCase(name: string): string {
  return name.replaceAll(/_([a-z])/g, (_, letter: string) => letter.toUpperCase())
}
