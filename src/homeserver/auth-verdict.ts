/** `rule` is the row of ROOMS-SPEC §3.2 or §3.3 that decided; `reason` may be shown to the client. */
export type AuthVerdict =
  { readonly allowed: true } | { readonly allowed: false; readonly rule: string; readonly reason: string }

export const ALLOWED: AuthVerdict = { allowed: true }

export function rejected(rule: string, reason: string): AuthVerdict {
  return { allowed: false, rule, reason }
}
