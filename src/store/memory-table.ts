import type { Row, TableName } from '../ports/store.ts'
import { PRIMARY_KEYS } from '../ports/store.ts'
import { copyWhere } from './columns.ts'

type Cells = Readonly<Record<string, string | number | null>>
type Group = Map<string, unknown>

/** Rows by primary key, and again by each of some groups of columns that reads and drops ask for. */
export class MemoryTable<Name extends TableName> {
  readonly #name: Name
  readonly #rows = new Map<string, Row<Name>>()
  readonly #groupings: readonly (readonly string[])[]
  readonly #groups = new Map<string, Group>()

  constructor(name: Name, groupings: readonly (readonly string[])[]) {
    this.#name = name
    this.#groupings = groupings
  }

  /** Puts a row that is ours to keep; gives back the one it replaced. */
  put(row: Row<Name>): Row<Name> | null {
    const key = keyOf(cellsOf(row), PRIMARY_KEYS[this.#name])
    const before = this.#rows.get(key) ?? null
    if (before !== null) this.remove(before)
    this.#rows.set(key, row)
    for (const columns of this.#groupings) {
      const groupKey = keyOf(cellsOf(row), columns)
      const group = this.#groups.get(groupKey)
      if (group === undefined) this.#groups.set(groupKey, new Map([[key, row]]))
      else group.set(key, row)
    }
    return before
  }

  /** Removes every row that has all the given values; gives back what was removed. */
  drop(where: Partial<Row<Name>>): Row<Name>[] {
    const cells = copyWhere(this.#name, where)
    const dropped = this.#candidates(cells).filter((row) =>
      Object.entries(cells).every(([column, value]) => cellsOf(row)[column] === value),
    )
    for (const row of dropped) this.remove(row)
    return dropped
  }

  /** The row with these primary key values, in the order of PRIMARY_KEYS; a copy. */
  get(...key: readonly (string | number)[]): Row<Name> | null {
    const row = this.#rows.get(keyOfValues(PRIMARY_KEYS[this.#name], key))
    return row === undefined ? null : copyOf(row)
  }

  /** The rows of one group that pass the test, as copies, in the order in which they were put. */
  group(
    columns: readonly (keyof Row<Name> & string)[],
    values: readonly (string | number)[],
    test: (row: Row<Name>) => boolean = () => true,
  ): Row<Name>[] {
    const group = this.#groups.get(keyOfValues(columns, values))
    return group === undefined ? [] : copies([...group.values()] as Row<Name>[], test)
  }

  where(test: (row: Row<Name>) => boolean = () => true): Row<Name>[] {
    return copies([...this.#rows.values()], test)
  }

  remove(row: Row<Name>): void {
    const key = keyOf(cellsOf(row), PRIMARY_KEYS[this.#name])
    this.#rows.delete(key)
    for (const columns of this.#groupings) {
      const groupKey = keyOf(cellsOf(row), columns)
      const group = this.#groups.get(groupKey)
      group?.delete(key)
      if (group?.size === 0) this.#groups.delete(groupKey)
    }
  }

  /** The fewest rows that an index can narrow a drop to. */
  #candidates(where: Cells): Row<Name>[] {
    const primary = PRIMARY_KEYS[this.#name] as readonly string[]
    if (primary.every((column) => column in where)) {
      const row = this.#rows.get(keyOf(where, primary))
      return row === undefined ? [] : [row]
    }
    const columns = this.#groupings.find((grouping) => grouping.every((column) => column in where))
    if (columns === undefined) return [...this.#rows.values()]
    return [...(this.#groups.get(keyOf(where, columns))?.values() ?? [])] as Row<Name>[]
  }
}

function cellsOf(row: object): Cells {
  return row as Cells
}

function copyOf<R extends object>(row: R): R {
  return { ...row }
}

function copies<R extends object>(rows: readonly R[], test: (row: R) => boolean): R[] {
  return rows.filter(test).map(copyOf)
}

function keyOf(cells: Cells, columns: readonly string[]): string {
  return JSON.stringify([columns, columns.map((column) => cells[column])])
}

function keyOfValues(columns: readonly string[], values: readonly (string | number)[]): string {
  return JSON.stringify([
    columns,
    values.map((value) => (typeof value === 'string' ? value.toWellFormed() : value)),
  ])
}
