/** Does the user ID or the display name contain the text, case-insensitively in any script? */
export function personMatches(userId: string, displayNameJson: string | null, text: string): boolean {
  const folded = fold(text)
  return fold(userId).includes(folded) || fold(displayNameOf(displayNameJson)).includes(folded)
}

/** By code point, as databases compare UTF-8; JavaScript's own order is by UTF-16 unit. */
export function compareText(one: string, other: string): number {
  return Buffer.compare(Buffer.from(one), Buffer.from(other))
}

function fold(text: string): string {
  return text.normalize('NFKC').toLowerCase()
}

function displayNameOf(json: string | null): string {
  const value: unknown = json === null ? null : JSON.parse(json)
  return typeof value === 'string' ? value : ''
}
