/** What a line of the log carries beside its message. Never a token, never the text of a request. */
export type LogFields = Readonly<Record<string, unknown>>

/** The log as inner layers see it. An error goes under the key `err`. */
export interface Log {
  debug(fields: LogFields, message: string): void
  info(fields: LogFields, message: string): void
  warn(fields: LogFields, message: string): void
  error(fields: LogFields, message: string): void
}
