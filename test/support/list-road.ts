import type { ServerName } from '../../src/matrix/ids.ts'
import type { WaitingListEdu } from '../../src/ports/edus.ts'
import type { Choices, ListHouse } from './list-house.ts'

/** What goes in one transaction. */
interface Batch {
  readonly txnId: number
  readonly edus: readonly WaitingListEdu[]
}

export interface ListRoadEnds {
  readonly from: () => ListHouse
  readonly to: () => ListHouse
  readonly origin: ServerName
  readonly destination: ServerName
}

/**
 * The road of list EDUs from one server to another, as transactions go: one at a time, repeated with the same contents until
 * acknowledged, taken once. On its way one may be lost, or its acknowledgement.
 */
export class ListRoad {
  readonly #ends: ListRoadEnds
  readonly #random: Choices
  readonly #taken = new Set<number>()
  /** Of a sender that was killed: they may arrive still, or never. */
  readonly #late: Batch[] = []
  #inFlight: Batch | null = null
  #txnId = 0

  constructor(ends: ListRoadEnds, random: Choices) {
    this.#ends = ends
    this.#random = random
  }

  /** One attempt; false if there is nothing to say. */
  async step({ faults }: { readonly faults: boolean }): Promise<boolean> {
    const { from, destination } = this.#ends
    const goesWrong = (): boolean => faults && this.#random.below(4) === 0
    if (this.#inFlight === null) {
      const edus = await from().outbox.listEdus(destination, 1 + this.#random.below(3))
      if (edus.length === 0) return false
      this.#inFlight = { txnId: (this.#txnId += 1), edus }
    }
    if (goesWrong()) return true
    await this.#arrive(this.#inFlight)
    if (goesWrong()) return true
    await from().outbox.listEdusSent(this.#inFlight.edus)
    this.#inFlight = null
    return true
  }

  /** The sender was killed: it knows of no transaction, and what is in its outbox goes with another. */
  senderRestarted(): void {
    if (this.#inFlight !== null) this.#late.push(this.#inFlight)
    this.#inFlight = null
  }

  /** Something of a dead sender arrives. */
  async haunt(): Promise<void> {
    const batch = this.#late.shift()
    if (batch !== undefined) await this.#arrive(batch)
  }

  async #arrive({ txnId, edus }: Batch): Promise<void> {
    if (this.#taken.has(txnId)) return
    this.#taken.add(txnId)
    for (const edu of edus) {
      await this.#ends.to().lists.hear(this.#ends.origin, edu)
      // Servers without memory for transactions say things twice.
      if (this.#random.below(8) === 0) await this.#ends.to().lists.hear(this.#ends.origin, edu)
    }
  }
}
