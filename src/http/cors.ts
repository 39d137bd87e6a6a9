/** On every answer, errors included (PRESENCE-SPEC §2.0). */
export const CORS_HEADERS: Readonly<Record<string, string>> = {
  'access-control-allow-origin': '*',
  'access-control-allow-methods': 'GET, POST, PUT, DELETE, OPTIONS',
  'access-control-allow-headers': 'X-Requested-With, Content-Type, Authorization',
}

/** Browsers ask before each kind of request; this lets them remember the answer for a day. */
export const PREFLIGHT_HEADERS: Readonly<Record<string, string>> = { 'access-control-max-age': '86400' }
