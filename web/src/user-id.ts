/** A Matrix user ID is at most this many bytes. */
const USER_ID_BYTES_MAX = 255

export type TypedUserId =
  { readonly kind: 'id'; readonly userId: string } | { readonly kind: 'problem'; readonly text: string }

/** What a person typed into "add someone". A name without a server means somebody on one's own server. */
export function readUserId(typed: string, ownUserId: string): TypedUserId {
  const text = typed.trim()
  if (text === '') return problem('Type the user ID of the person, like @bob:example.org.')
  const userId = complete(text, serverOf(ownUserId))
  if (userId === ownUserId) return problem('That is you.')
  if (/\s/.test(userId)) return problem('A user ID has no spaces in it.')
  if (new TextEncoder().encode(userId).length > USER_ID_BYTES_MAX)
    return problem('That is too long for a user ID.')
  const [, localpart = '', server = ''] = /^@([^:]*):(.*)$/.exec(userId) ?? []
  if (localpart === '') return problem('The name before the colon is missing: @name:server.')
  if (!/^[A-Za-z0-9.:[\]-]+$/.test(server))
    return problem('The server after the colon is missing or misspelt: @name:server.')
  return { kind: 'id', userId }
}

function complete(text: string, ownServer: string): string {
  const withSigil = text.startsWith('@') ? text : `@${text}`
  return withSigil.includes(':') ? withSigil : `${withSigil}:${ownServer}`
}

function problem(text: string): TypedUserId {
  return { kind: 'problem', text }
}

export function serverOf(userId: string): string {
  return userId.slice(userId.indexOf(':') + 1)
}

export function localpartOf(userId: string): string {
  return userId.slice(1, userId.indexOf(':'))
}
