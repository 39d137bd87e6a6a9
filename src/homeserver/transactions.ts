import type { Clock } from '../base/clock.ts'
import type { JsonObject } from '../matrix/json.ts'
import type { Requester } from '../ports/directory.ts'
import type { Row, Store, Write } from '../ports/store.ts'

/** Makes the row that remembers the answer; it belongs into the commit of what the request changed. */
export type Remember = (answer: JsonObject) => Write

/**
 * Client transaction IDs (§5.1): a request repeated by the same device gets the first answer again and has no effect. Only
 * success is remembered; a request that was refused may be tried again.
 */
export interface Transactions {
  /**
   * @param request method and full path as sent, which hold the transaction ID
   * @param perform does it once; repeats that come meanwhile wait for it and share its outcome
   */
  once(
    requester: Pick<Requester, 'userId' | 'deviceId'>,
    request: string,
    perform: (remember: Remember) => Promise<JsonObject>,
  ): Promise<JsonObject>
}

/** Answers past their time are swept out this many times within the time. */
const SWEEPS_PER_TTL = 24

export function createTransactions(deps: {
  readonly store: Pick<Store, 'transaction' | 'dropTransactions'>
  readonly clock: Pick<Clock, 'now'>
  /** How long an answer is remembered. */
  readonly txnTtlMs: number
}): Transactions {
  const { store, clock, txnTtlMs } = deps
  const running = new Map<string, Promise<JsonObject>>()
  let sweptTs = clock.now()

  const sweep = async (): Promise<void> => {
    const nowTs = clock.now()
    if (nowTs - sweptTs < txnTtlMs / SWEEPS_PER_TTL) return
    sweptTs = nowTs
    await store.dropTransactions(nowTs - txnTtlMs)
  }
  const answered = (row: Row<'transactions'> | null): JsonObject | null =>
    row === null || row.createdTs < clock.now() - txnTtlMs ? null : (JSON.parse(row.json) as JsonObject)

  return {
    async once({ userId, deviceId }, request, perform) {
      const key = JSON.stringify([userId, deviceId, request])
      const first = running.get(key)
      if (first !== undefined) return first
      const remember: Remember = (answer) => ({
        put: 'transactions',
        row: { userId, deviceId, request, status: 200, json: JSON.stringify(answer), createdTs: clock.now() },
      })
      const run = async (): Promise<JsonObject> => {
        await sweep()
        return answered(await store.transaction(userId, deviceId, request)) ?? perform(remember)
      }
      const mine = run().finally(() => running.delete(key))
      running.set(key, mine)
      return mine
    },
  }
}
