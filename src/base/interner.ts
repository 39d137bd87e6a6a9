/**
 * Gives each distinct text one small integer, in order of first sight. The engine works on these numbers;
 * they mean nothing outside this process and must never be stored or sent.
 */
export class Interner<Text extends string, Num extends number> {
  readonly #numbers = new Map<Text, Num>()
  readonly #texts: Text[] = []

  get size(): number {
    return this.#texts.length
  }

  /** The number of `text`, given out now if it has none. */
  intern(text: Text): Num {
    const known = this.#numbers.get(text)
    if (known !== undefined) return known
    const fresh = this.#texts.length as Num
    this.#texts.push(text)
    this.#numbers.set(text, fresh)
    return fresh
  }

  /** The number of `text`, or null if it was never interned: a question must not grow the table. */
  find(text: Text): Num | null {
    return this.#numbers.get(text) ?? null
  }

  /** The text behind a number that this interner gave out. */
  text(num: Num): Text {
    const text = this.#texts[num]
    if (text === undefined) throw new RangeError(`number ${num} was never given out`)
    return text
  }
}
