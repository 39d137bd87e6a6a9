/** One line of the printed table. Figures are texts, because each has a unit of its own. */
export interface Row {
  readonly what: string
  readonly figure: string
  /** The same work done in the plain way, in the same run. */
  readonly baseline?: string
  /** Figure ÷ baseline, as numbers of the same unit. */
  readonly ratio?: number
  readonly note?: string
}

/** What a bench found: lines of the table, and what must fail the run. */
export interface Findings {
  readonly rows: readonly Row[]
  readonly failures: readonly string[]
}

const HEAD = ['what', 'figure', 'baseline', 'ratio', 'note']
/** Columns of numbers stand flush right. */
const IS_NUMERIC = [false, true, true, true, false]

export function formatTable(rows: readonly Row[]): string {
  const lines = [HEAD, ...rows.map(cellsOf)]
  const widths = HEAD.map((_, column) => Math.max(...lines.map((cells) => cells[column]?.length ?? 0)))
  const format = (cells: readonly string[]): string =>
    cells
      .map((cell, column) => pad(cell, widths[column] ?? 0, IS_NUMERIC[column] === true))
      .join('  ')
      .trimEnd()
  const rule = widths.map((width) => '-'.repeat(width)).join('  ')
  return [format(HEAD), rule, ...rows.map((row) => format(cellsOf(row)))].join('\n')
}

function cellsOf({ what, figure, baseline = '', ratio, note = '' }: Row): string[] {
  return [what, figure, baseline, ratio === undefined ? '' : significant(ratio), note]
}

function pad(cell: string, width: number, isNumeric: boolean): string {
  return isNumeric ? cell.padStart(width) : cell.padEnd(width)
}

/** Three digits that mean something, thousands apart: `12,300`, `45.6`, `0.00789`. */
export function significant(value: number): string {
  if (value === 0) return '0'
  const rounded = Number(value.toPrecision(3))
  return rounded.toLocaleString('en', { maximumSignificantDigits: 3 })
}

export function micros(nanoseconds: number): string {
  return `${significant(nanoseconds / 1_000)} µs`
}

export function millis(milliseconds: number): string {
  return `${significant(milliseconds)} ms`
}

export function kibibytes(bytes: number): string {
  return `${significant(bytes / 1_024)} KiB`
}

export function perSecond(count: number): string {
  return `${significant(count)} /s`
}
