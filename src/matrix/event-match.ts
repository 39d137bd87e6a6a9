import type { EventFilter } from './filter.ts'

/** Does the filter let events of this type and sender through? An absent list is all, `[]` none; `not_*` wins. */
export function matches(filter: EventFilter | undefined, type: string, sender: string): boolean {
  if (filter === undefined) return true
  if (filter.not_types?.some((pattern) => matchesType(pattern, type)) === true) return false
  if (filter.not_senders?.includes(sender) === true) return false
  if (filter.types?.some((pattern) => matchesType(pattern, type)) === false) return false
  return filter.senders?.includes(sender) !== false
}

/** `*` stands for any run of characters, also none. */
export function matchesType(pattern: string, type: string): boolean {
  const [first = '', ...others] = pattern.split('*')
  const last = others.pop()
  if (last === undefined) return pattern === type
  if (!type.startsWith(first) || !type.endsWith(last)) return false
  const end = type.length - last.length
  let at = first.length
  for (const part of others) {
    const found = type.indexOf(part, at)
    if (found < 0) return false
    at = found + part.length
  }
  return at <= end
}
