import { localpartOf } from './user-id.ts'

const TINTS = 6

/** One or two letters for the place where elsewhere a picture would be. */
export function initialsOf(name: string): string {
  const words = name.split(/[\s._-]+/u).filter((word) => /[\p{L}\p{N}]/u.test(word))
  const [first, ...rest] = words.map((word) => word.match(/[\p{L}\p{N}]\p{M}*/u)?.[0] ?? '')
  if (first === undefined) return '?'
  return `${first}${rest.at(-1) ?? ''}`.toLocaleUpperCase()
}

/** One of a few tints, always the same for the same person. */
export function tintOf(userId: string): number {
  let hash = 7
  for (const char of userId) hash = (hash * 31 + (char.codePointAt(0) ?? 0)) % 65_521
  return hash % TINTS
}

/** What to call somebody: the name they chose, else the first part of their ID. */
export function nameOf(person: {
  readonly userId: string
  readonly displayname?: string | undefined
}): string {
  const chosen = person.displayname?.trim() ?? ''
  return chosen === '' ? localpartOf(person.userId) : chosen
}
