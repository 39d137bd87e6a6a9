import { MatrixError, refuse } from '../matrix/errors.ts'
import type { Log } from '../ports/log.ts'
import { Answer } from './route.ts'

/**
 * The one funnel from anything thrown to an answer (DESIGN §3.11). A refusal says what it says; anything else is a fault of
 * ours, and the client learns nothing but the id under which the log has it.
 */
export function toAnswer(thrown: unknown, { log, requestId }: { log: Log; requestId: string }): Answer {
  if (thrown instanceof MatrixError) return new Answer(thrown.status, thrown.toBody(), retryAfter(thrown))
  log.error({ err: thrown, request: requestId }, 'a request failed')
  return toAnswer(refuse.internal(`Internal error ${requestId}`), { log, requestId })
}

/** P-012: the header of a 429 counts in seconds, rounded up. */
function retryAfter(refusal: MatrixError): Record<string, string> {
  const ms = refusal.extra['retry_after_ms']
  return typeof ms === 'number' ? { 'retry-after': String(Math.ceil(ms / 1000)) } : {}
}
