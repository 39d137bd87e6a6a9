/** Lets a bounded number of jobs run at once; others wait their turn in the order in which they came, a bounded number of them. */
export class Gate {
  readonly #parallelMax: number
  readonly #waitingMax: number
  readonly #waiting: (() => void)[] = []
  #running = 0

  constructor(bounds: { readonly parallelMax: number; readonly waitingMax: number }) {
    this.#parallelMax = bounds.parallelMax
    this.#waitingMax = bounds.waitingMax
  }

  /** The outcome of `work`; null, and `work` is not begun, if too many wait already. */
  async run<T>(work: () => Promise<T>): Promise<T | null> {
    if (this.#running < this.#parallelMax) this.#running += 1
    else if (this.#waiting.length >= this.#waitingMax) return null
    // Whoever leaves hands over its place, so nobody comes in between.
    else await new Promise<void>((admitted) => this.#waiting.push(admitted))
    try {
      return await work()
    } finally {
      const next = this.#waiting.shift()
      if (next === undefined) this.#running -= 1
      else next()
    }
  }
}
