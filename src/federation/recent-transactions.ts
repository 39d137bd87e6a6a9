import type { ServerName } from '../matrix/ids.ts'

/**
 * Which transactions of each server have their answers stored, so that there are not more of one server than a bounded number.
 * A restart forgets it; what was stored before goes by its age.
 */
export class RecentTransactions {
  readonly #perOriginMax: number
  readonly #originsMax: number
  /** In the order in which they were last heard. */
  readonly #origins = new Map<ServerName, Set<string>>()

  constructor(bounds: { readonly answersPerOriginMax: number; readonly originsMax: number }) {
    this.#perOriginMax = bounds.answersPerOriginMax
    this.#originsMax = bounds.originsMax
  }

  /** The transactions whose answers are to be forgotten for it. */
  add(origin: ServerName, txnId: string): string[] {
    const ids = this.#origins.get(origin) ?? new Set()
    this.#origins.delete(origin)
    this.#origins.set(origin, ids)
    ids.delete(txnId)
    ids.add(txnId)
    const forgotten = [...ids].slice(0, Math.max(0, ids.size - this.#perOriginMax))
    for (const old of forgotten) ids.delete(old)
    if (this.#origins.size > this.#originsMax) this.#forgetOrigin()
    return forgotten
  }

  #forgetOrigin(): void {
    const [silent] = this.#origins.keys()
    if (silent !== undefined) this.#origins.delete(silent)
  }
}
