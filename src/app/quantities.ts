/** Durations and sizes as operators write them: `30s`, `5m`, `1h`; `64KiB`. */

const DURATION_UNITS_MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 } as const
const SIZE_UNITS_BYTES = { B: 1, KiB: 1_024, MiB: 1_048_576, GiB: 1_073_741_824 } as const

/** Milliseconds, or null. A bare number has no meaning here, but for 0. */
export function parseDuration(text: string): number | null {
  if (text === '0') return 0
  return parseQuantity(text, DURATION_UNITS_MS)
}

/** Bytes, or null. A bare number counts bytes. */
export function parseSize(text: string): number | null {
  return parseQuantity(/^\d+$/.test(text) ? `${text}B` : text, SIZE_UNITS_BYTES)
}

/** In the largest unit that divides it: the text parses to the same number. */
export function formatDuration(ms: number): string {
  return formatQuantity(ms, DURATION_UNITS_MS)
}

export function formatSize(bytes: number): string {
  return formatQuantity(bytes, SIZE_UNITS_BYTES)
}

function parseQuantity(text: string, units: Readonly<Record<string, number>>): number | null {
  const [, count = '', unit = ''] = /^(\d{1,15})([A-Za-z]+)$/.exec(text) ?? []
  const factor = Object.hasOwn(units, unit) ? units[unit] : undefined
  const product = factor === undefined ? Number.NaN : Number(count) * factor
  return Number.isSafeInteger(product) ? product : null
}

function formatQuantity(quantity: number, units: Readonly<Record<string, number>>): string {
  const [unit, factor] = Object.entries(units).findLast(([, size]) => quantity % size === 0) ?? ['', 1]
  return quantity === 0 ? '0' : `${quantity / factor}${unit}`
}
