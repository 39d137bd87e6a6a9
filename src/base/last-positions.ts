/**
 * The last position of each key, of those noted since the start; one that is not known changed at `floor` or before. Beyond
 * `keysMax` keys all are forgotten, and the floor is the newest of them.
 */
export class LastPositions<Key> {
  readonly #keysMax: number
  readonly #positions = new Map<Key, number>()
  #floor: number
  #newest: number

  constructor({ keysMax, floor }: { readonly keysMax: number; readonly floor: number }) {
    this.#keysMax = keysMax
    this.#floor = floor
    this.#newest = floor
  }

  get(key: Key): number {
    return this.#positions.get(key) ?? this.#floor
  }

  set(key: Key, pos: number): void {
    this.#newest = Math.max(this.#newest, pos)
    if (this.#positions.size >= this.#keysMax && !this.#positions.has(key)) {
      this.#positions.clear()
      this.#floor = this.#newest
    }
    this.#positions.set(key, Math.max(pos, this.get(key)))
  }
}
