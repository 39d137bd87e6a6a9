import type { UserNum } from './types.ts'

const NONE = -1
const NEVER = 0

/**
 * The presence stream: each user once, at the place of the latest change (PRESENCE-SPEC §4.5). A linked list in typed arrays, so
 * a change costs a few numbers and reading on from a position walks only what changed since.
 */
export class ChangeLog {
  #head: number
  #newest = NONE
  #older = new Int32Array(64).fill(NONE)
  #newer = new Int32Array(64).fill(NONE)
  /** Place of the latest change that others may hear of. */
  #publicSeq = new Float64Array(64)
  /** Place of the latest change that the user's own devices hear of; never below the public one. */
  #ownSeq = new Float64Array(64)

  /** `head`: the last number given out before. */
  constructor(head: number) {
    this.#head = head
  }

  /** The newest number given out. */
  get head(): number {
    return this.#head
  }

  /** The next number of the stream; the changes and the moments of beginning and ceasing to see share it. */
  take(): number {
    this.#head += 1
    return this.#head
  }

  /** Moves the user to the newest place. `isOwn`: only the user's own devices hear of it. */
  publish(user: UserNum, isOwn: boolean): number {
    if (user >= this.#older.length) this.#grow(user)
    const seq = this.take()
    if (this.#ownSeq[user] !== NEVER) this.#unlink(user)
    this.#ownSeq[user] = seq
    if (!isOwn) this.#publicSeq[user] = seq
    this.#older[user] = this.#newest
    this.#newer[user] = NONE
    if (this.#newest !== NONE) this.#newer[this.#newest] = user
    this.#newest = user
    return seq
  }

  /** Place of the user's latest change for this kind of reader; 0 if there was none since the start. */
  seqOf(user: UserNum, isOwn: boolean): number {
    return (isOwn ? this.#ownSeq[user] : this.#publicSeq[user]) ?? NEVER
  }

  /** Users with any change above `seq`, newest first. */
  *changedSince(seq: number): Generator<UserNum> {
    for (let user = this.#newest; user !== NONE; user = this.#older[user] as number) {
      if ((this.#ownSeq[user] as number) <= seq) return
      yield user as UserNum
    }
  }

  #unlink(user: UserNum): void {
    const older = this.#older[user] as number
    const newer = this.#newer[user] as number
    if (older !== NONE) this.#newer[older] = newer
    if (newer === NONE) this.#newest = older
    else this.#older[newer] = older
  }

  #grow(user: UserNum): void {
    const length = Math.max(user + 1, this.#older.length * 2)
    const [older, newer] = [new Int32Array(length).fill(NONE), new Int32Array(length).fill(NONE)]
    older.set(this.#older)
    newer.set(this.#newer)
    const [publicSeq, ownSeq] = [new Float64Array(length), new Float64Array(length)]
    publicSeq.set(this.#publicSeq)
    ownSeq.set(this.#ownSeq)
    this.#older = older
    this.#newer = newer
    this.#publicSeq = publicSeq
    this.#ownSeq = ownSeq
  }
}
