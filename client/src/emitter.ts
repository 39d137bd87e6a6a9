export type Unsubscribe = () => void

/** Listeners of one kind. One that throws does not keep the others from hearing; its error is thrown on its own. */
export class Emitter<T> {
  readonly #listeners = new Set<(value: T) => void>()

  get isEmpty(): boolean {
    return this.#listeners.size === 0
  }

  on(listener: (value: T) => void): Unsubscribe {
    // The same function given twice is two subscriptions.
    const own = (value: T): void => listener(value)
    this.#listeners.add(own)
    return () => void this.#listeners.delete(own)
  }

  emit(value: T): void {
    for (const listener of Array.from(this.#listeners)) {
      try {
        listener(value)
      } catch (error) {
        reportError(error)
      }
    }
  }
}

/** As an uncaught error of the app's own, which it is, and without harm to whoever called. */
function reportError(error: unknown): void {
  queueMicrotask(() => {
    throw error
  })
}
