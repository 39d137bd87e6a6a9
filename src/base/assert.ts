/** A broken assumption of ours (never a client's mistake): becomes a 500 without details. */
class AssertionFailure extends Error {
  override readonly name = 'AssertionFailure'
}

export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new AssertionFailure(message)
}

/** Closes a `switch` over a union: a new member does not compile until it has an answer. */
export function assertNever(value: never): never {
  throw new AssertionFailure(`unexpected ${JSON.stringify(value)}`)
}

/** The value, which by construction cannot be missing here. */
export function must<T>(value: T | null | undefined, what: string): T {
  assert(value !== null && value !== undefined, `${what} is missing`)
  return value
}
