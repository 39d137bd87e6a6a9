import type { Millis } from './clock.ts'

/** Width of one bucket of the wheel. */
const BUCKET_MS = 1_000
/** Buckets on the wheel: deadlines further off wait in its last bucket and are looked at again there. */
const BUCKETS = 1_024
const NONE = -1

/**
 * Deadlines of small integer ids, at most one each, on a timing wheel in typed arrays. Moving a deadline back, which is
 * what activity does all the time, writes one number: the entry is moved when its old bucket is looked at.
 */
export class Deadlines {
  #due = new Float64Array(64)
  /** Where the entry stands: an absolute bucket number, or NONE. */
  #bucket = new Float64Array(64).fill(NONE)
  #next = new Int32Array(64)
  #previous = new Int32Array(64)
  readonly #heads = new Int32Array(BUCKETS).fill(NONE)
  /** No entry stands in a bucket before this one; moves back when a nearer deadline is set. */
  #first = 0
  /** The bucket of the latest `take`: overdue entries stand here, or the wheel would have to turn back through years. */
  #present = 0
  #size = 0
  #bound: Millis = Infinity

  get size(): number {
    return this.#size
  }

  /**
   * No deadline is before this one; Infinity if there is none. It costs nothing to ask, where `next` walks through the whole
   * bucket of the earliest, which may be everybody's. Deadlines that were put back leave it behind until `next` is asked.
   */
  get bound(): Millis {
    return this.#bound
  }

  /** When `id` is due; null if it has no deadline. */
  get(id: number): Millis | null {
    return id < this.#bucket.length && this.#bucket[id] !== NONE ? (this.#due[id] as number) : null
  }

  /** Gives `id` this deadline, in place of any other. */
  set(id: number, due: Millis): void {
    if (id >= this.#due.length) this.#grow(id)
    this.#due[id] = due
    if (due < this.#bound) this.#bound = due
    const bucket = Math.max(Math.floor(due / BUCKET_MS), this.#present)
    const current = this.#bucket[id] as number
    if (current !== NONE && bucket >= current) return
    if (current !== NONE) this.#unlink(id)
    if (this.#size === 0 || bucket < this.#first) this.#first = bucket
    this.#link(id, bucket)
  }

  clear(id: number): void {
    if (this.get(id) !== null) this.#unlink(id)
  }

  /** The earliest deadline, or null if there is none. */
  next(): Millis | null {
    this.#bound = Infinity
    if (this.#size === 0) return null
    for (let bucket = this.#first; ; bucket += 1) {
      const earliest = this.#earliestOf(bucket)
      if (earliest === null) continue
      // Nothing stands before: the search need not come by there again.
      this.#first = bucket
      this.#bound = earliest
      return earliest
    }
  }

  /** Takes out and returns the ids that are due at `now`, earliest first, equal ones by id; never one too early. */
  take(now: Millis): number[] {
    const taken: number[] = []
    this.#present = Math.max(this.#present, Math.floor(now / BUCKET_MS))
    for (let next = this.next(); next !== null && next <= now; next = this.next()) {
      for (let id = this.#headOf(this.#first); id !== NONE;) {
        const following = this.#next[id] as number
        if ((this.#due[id] as number) <= now) {
          taken.push(id)
          this.#unlink(id)
        }
        id = following
      }
    }
    return taken.toSorted((a, b) => (this.#due[a] as number) - (this.#due[b] as number) || a - b)
  }

  /**
   * The earliest deadline that belongs into this bucket or before; moves on those that were put back to a later one. What is
   * further off than the wheel reaches stays in its last bucket, so the search always ends there.
   */
  #earliestOf(bucket: number): Millis | null {
    const last = this.#first + BUCKETS - 1
    let earliest: Millis | null = null
    for (let id = this.#headOf(bucket); id !== NONE;) {
      const following = this.#next[id] as number
      const due = this.#due[id] as number
      const belongs = Math.floor(due / BUCKET_MS)
      if (belongs > bucket && bucket < last) {
        this.#unlink(id)
        this.#link(id, belongs)
      } else if (earliest === null || due < earliest) earliest = due
      id = following
    }
    return earliest
  }

  #headOf(bucket: number): number {
    return this.#heads[slotOf(bucket)] as number
  }

  #link(id: number, wanted: number): void {
    const bucket = Math.min(wanted, this.#first + BUCKETS - 1)
    const slot = slotOf(bucket)
    const head = this.#heads[slot] as number
    this.#next[id] = head
    this.#previous[id] = NONE
    if (head !== NONE) this.#previous[head] = id
    this.#heads[slot] = id
    this.#bucket[id] = bucket
    this.#size += 1
  }

  #unlink(id: number): void {
    const next = this.#next[id] as number
    const previous = this.#previous[id] as number
    if (next !== NONE) this.#previous[next] = previous
    if (previous === NONE) this.#heads[slotOf(this.#bucket[id] as number)] = next
    else this.#next[previous] = next
    this.#bucket[id] = NONE
    this.#size -= 1
  }

  #grow(id: number): void {
    const length = Math.max(id + 1, this.#due.length * 2)
    const bucket = new Float64Array(length).fill(NONE)
    bucket.set(this.#bucket)
    this.#bucket = bucket
    this.#due = grown(this.#due, new Float64Array(length))
    this.#next = grown(this.#next, new Int32Array(length))
    this.#previous = grown(this.#previous, new Int32Array(length))
  }
}

function slotOf(bucket: number): number {
  return bucket % BUCKETS
}

function grown<Numbers extends Float64Array | Int32Array>(from: Numbers, to: Numbers): Numbers {
  to.set(from)
  return to
}
