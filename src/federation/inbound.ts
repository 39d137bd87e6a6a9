import type { Clock, Timer } from '../base/clock.ts'
import { Background } from '../base/background.ts'
import { Serial } from '../base/serial.ts'
import { EDUS_MAX, PDUS_MAX } from '../matrix/edu.ts'
import { refuse } from '../matrix/errors.ts'
import type { ServerName } from '../matrix/ids.ts'
import { own, type Json, type JsonObject } from '../matrix/json.ts'
import type { EduSinks } from '../ports/edus.ts'
import type { Log } from '../ports/log.ts'
import type { Store, Write } from '../ports/store.ts'
import { createInboundEdus, eduCost } from './inbound-edus.ts'
import { refusePdus } from './inbound-pdus.ts'
import type { ObserveFederation } from './observe.ts'
import { RecentTransactions } from './recent-transactions.ts'

/** Transactions of other servers (PRESENCE-SPEC §5.3). Who sends them was proven before. */
export interface Inbound {
  /**
   * The answer; whatever is wrong with single EDUs and PDUs, it is one (P-161). Every effect is in force, and durable where that
   * is asked for, when it resolves. A repeat gets the first answer again and has no effect (P-163), also while the first is
   * under way and after a restart.
   *
   * @param bodyBytes as it was sent: what it cost to read it
   * @throws MatrixError 400 M_BAD_JSON (P-160), M_INVALID_PARAM; 403 M_FORBIDDEN; 429 M_LIMIT_EXCEEDED: nothing was processed
   * @throws what the store throws: the sender is to repeat it
   */
  receive(origin: ServerName, txnId: string, body: JsonObject, bodyBytes: number): Promise<JsonObject>
  /** From here on old answers are forgotten. */
  begin(): void
  /** Resolves when nothing is under way any more. */
  close(): Promise<void>
}

interface InboundDeps {
  readonly serverName: ServerName
  readonly store: Pick<Store, 'commit' | 'inboundTransaction' | 'dropInboundTransactions'>
  readonly clock: Clock
  readonly log: Pick<Log, 'debug' | 'error'>
  readonly sinks: Pick<EduSinks, 'presence' | 'list'>
  readonly limits: { take(name: 'federation', key: string, cost: number): void }
  readonly observe: ObserveFederation
  readonly statusMsgBytesMax: number
  readonly bounds: {
    readonly waitingPerOriginMax: number
    readonly answersPerOriginMax: number
    readonly originsMax: number
    readonly answersTtlMs: number
    readonly sweepIntervalMs: number
    readonly txnIdBytesMax: number
  }
}

/** More than an entry of presence takes; so this counts for large bodies of little use. */
const BYTES_PER_COST = 1_024

/** When a server may come back that has too much under way. */
const LINE_RETRY_MS = 1_000

export function createInbound(deps: InboundDeps): Inbound {
  const { store, clock, log, limits, bounds } = deps
  const edus = createInboundEdus(deps)
  const recent = new RecentTransactions(bounds)
  const lines = new Serial<ServerName>()
  const running = new Map<string, Promise<JsonObject>>()
  const background = new Background()
  let timer: Timer | null = null

  const perform = async (origin: ServerName, txnId: string, contents: Contents): Promise<JsonObject> => {
    const stored = await store.inboundTransaction(origin, txnId)
    if (stored !== null) return JSON.parse(stored.json) as JsonObject
    await edus.receive(origin, contents.edus)
    const answer = { pdus: refusePdus(contents.pdus) }
    await store.commit(rowsOf(origin, txnId, answer))
    return answer
  }
  const rowsOf = (origin: ServerName, txnId: string, answer: JsonObject): Write[] => {
    const row = { origin, txnId, json: JSON.stringify(answer), ts: clock.now() }
    const forgotten = recent.add(origin, txnId)
    const drops = forgotten.map((old): Write => ({
      drop: 'inboundTransactions',
      where: { origin, txnId: old },
    }))
    return [{ put: 'inboundTransactions', row }, ...drops]
  }
  const sweep = (): void => {
    timer = clock.after(bounds.sweepIntervalMs, sweep)
    background.run(
      () => store.dropInboundTransactions(clock.now() - bounds.answersTtlMs),
      (err) => log.error({ err }, 'old transactions of other servers could not be forgotten'),
    )
  }
  return {
    async receive(origin, txnId, body, bodyBytes) {
      limits.take('federation', origin, Math.max(1, Math.ceil(bodyBytes / BYTES_PER_COST), entriesOf(body)))
      const contents = checkTransaction(origin, txnId, body, bounds.txnIdBytesMax)
      const key = JSON.stringify([origin, txnId])
      const first = running.get(key)
      if (first !== undefined) return first
      if (lines.length(origin) > bounds.waitingPerOriginMax)
        throw refuse.limitExceeded('Too many transactions at once', { retry_after_ms: LINE_RETRY_MS })
      const mine = lines.run(origin, () => perform(origin, txnId, contents))
      running.set(key, mine)
      try {
        return await mine
      } finally {
        running.delete(key)
      }
    },
    begin: sweep,
    async close() {
      timer?.cancel()
      await background.idle()
      await Promise.allSettled(running.values())
    },
  }
}

interface Contents {
  readonly pdus: readonly Json[]
  readonly edus: readonly Json[]
}

/**
 * The ID in the path wins over any in the body, and what else servers of 2015 put there means nothing (P-185).
 *
 * @throws MatrixError
 */
function checkTransaction(
  origin: ServerName,
  txnId: string,
  body: JsonObject,
  txnIdBytesMax: number,
): Contents {
  if (txnId === '' || Buffer.byteLength(txnId) > txnIdBytesMax || !txnId.isWellFormed())
    throw refuse.invalidParam('The ID of the transaction is malformed or too long')
  const named = own(body, 'origin')
  if (typeof named !== 'string') throw refuse.badJson('"origin" must be a server name')
  if (named !== origin) throw refuse.forbidden('The transaction is of another server than its sender')
  return { pdus: boundedList(body, 'pdus', PDUS_MAX), edus: boundedList(body, 'edus', EDUS_MAX) }
}

/** P-160 */
function boundedList(body: JsonObject, key: string, max: number): readonly Json[] {
  const list = own(body, key) ?? []
  if (!Array.isArray(list)) throw refuse.badJson(`"${key}" must be a list`)
  if (list.length > max) throw refuse.badJson(`"${key}" has more than ${max} entries`)
  return list
}

/** Of a body of any shape. */
function entriesOf(body: JsonObject): number {
  const [pdus, edus] = [own(body, 'pdus'), own(body, 'edus')]
  const count = Array.isArray(pdus) ? pdus.length : 0
  return Array.isArray(edus) ? edus.reduce<number>((cost, edu) => cost + eduCost(edu), count) : count
}
