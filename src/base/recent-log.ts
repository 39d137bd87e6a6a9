/** What happened lately, in the order of a sequence; the oldest is forgotten when there is too much. */
export class RecentLog<Entry extends { readonly seq: number }> {
  readonly #max: number
  #entries: Entry[] = []
  #forgottenSeq = -1

  constructor(max: number) {
    this.#max = max
  }

  /** `entry.seq` is not below that of any entry before. */
  push(entry: Entry): void {
    this.#entries.push(entry)
    if (this.#entries.length <= this.#max) return
    // Half at once, so that a full log is not moved about at every entry.
    const forgotten = this.#entries.splice(0, Math.ceil(this.#max / 2))
    this.#forgottenSeq = (forgotten.at(-1) as Entry).seq
  }

  /** The entries above `seq`, oldest first. */
  since(seq: number): Entry[] {
    let at = this.#entries.length
    while (at > 0 && (this.#entries[at - 1] as Entry).seq > seq) at -= 1
    return this.#entries.slice(at)
  }

  /** The newest that was forgotten; below every number if none was. */
  get forgottenSeq(): number {
    return this.#forgottenSeq
  }

  /** Is every entry above `seq` still known? */
  covers(seq: number): boolean {
    return this.#forgottenSeq <= seq
  }
}
