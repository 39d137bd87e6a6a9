import { pino } from 'pino'
import type { Clock } from '../base/clock.ts'
import type { Log } from '../ports/log.ts'
import type { Config } from './options.ts'

/** Keys whose values are secrets, wherever in the fields they stand. */
const SECRET_KEYS = ['access_token', 'refresh_token', 'authorization', 'password', 'shared_secret', 'token']
/** What an address or an error's text may carry of them, also percent-encoded or inside JSON. */
const SECRET_TEXT = /((?:access|refresh)_token(?:=|%3D|\\?":\s*\\?")|Bearer )[^\s"&\\]+/gi
const HIDDEN = '(hidden)'

/**
 * The log: one line an entry, through `write`. Secrets are hidden twice, by key and in the finished line (PRESENCE-SPEC
 * §4.9 (9)).
 */
export function createLog({
  level,
  format,
  clock,
  write,
}: Config['log'] & { readonly clock: Pick<Clock, 'now'>; readonly write: (line: string) => void }): Log {
  const logger = pino(
    {
      level,
      base: null,
      timestamp: () => `,"time":${clock.now()}`,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: SECRET_KEYS.flatMap((key) => [key, `*.${key}`, `*.*.${key}`]), censor: HIDDEN },
    },
    {
      write: (line) => {
        const safe = line.replaceAll(SECRET_TEXT, `$1${HIDDEN}`)
        write(format === 'json' ? safe : prettyLine(safe))
      },
    },
  )
  return {
    debug: (fields, message) => logger.debug(fields, message),
    info: (fields, message) => logger.info(fields, message),
    warn: (fields, message) => logger.warn(fields, message),
    error: (fields, message) => logger.error(fields, message),
  }
}

interface Entry {
  readonly level: string
  readonly time: number
  readonly msg: string
  readonly err?: { readonly stack?: string; readonly message?: string }
}

/** Local time in the form of ISO 8601. */
const TIME = new Intl.DateTimeFormat('sv-SE', { dateStyle: 'short', timeStyle: 'medium' })

/** `2026-11-22 12:00:05.123 WARN  the message  key=value`, and an error's stack below it. */
function prettyLine(line: string): string {
  const { level, time, msg, err, ...fields } = JSON.parse(line) as Entry
  const at = `${TIME.format(time)}.${String(time % 1000).padStart(3, '0')}`
  const shown = Object.entries(fields).map(([key, value]) => ` ${key}=${plain(value)}`)
  const stack = err === undefined ? '' : `\n  ${(err.stack ?? err.message ?? '').replaceAll('\n', '\n  ')}`
  return `${at} ${level.toUpperCase().padEnd(5)} ${msg}${shown.length > 0 ? ' ' : ''}${shown.join('')}${stack}\n`
}

/** Quoted unless it is one plain word: a value cannot pretend to be another field or another line. */
function plain(value: unknown): string {
  return typeof value === 'string' && /^[\w@:./!#$+-]+$/.test(value) ? value : JSON.stringify(value)
}
