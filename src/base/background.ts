/** Work that nobody waits for before the end. */
export class Background {
  readonly #jobs = new Set<Promise<void>>()

  /** Begins at once; a failure is told to `onFault` and to nobody else. */
  run(work: () => Promise<void>, onFault: (fault: unknown) => void): void {
    const job = work().catch(onFault)
    this.#jobs.add(job)
    void job.then(() => this.#jobs.delete(job))
  }

  /** Resolves when nothing runs any more. */
  async idle(): Promise<void> {
    while (this.#jobs.size > 0) await Promise.all(this.#jobs)
  }
}
