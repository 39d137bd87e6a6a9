/** Does a text contain `part`, case-insensitively, in any script? */
export function containing(part: string): (text: string) => boolean {
  const folded = fold(part)
  return (text) => fold(text).includes(folded)
}

/** The display name in a profile row's JSON; '' if there is none. */
export function displayNameOf(json: string | null | undefined): string {
  if (json === null || json === undefined) return ''
  const value: unknown = JSON.parse(json)
  return typeof value === 'string' ? value : ''
}

/** By code point, as databases compare UTF-8; JavaScript's own order is by UTF-16 unit. */
export function compareText(one: string, other: string): number {
  return Buffer.compare(Buffer.from(one), Buffer.from(other))
}

function fold(text: string): string {
  return text.normalize('NFKC').toLowerCase()
}
