import { openChannel, type TabChannel } from './tabs.ts'
import type { Choice } from './own-presence.ts'
import type { OwnState } from './types.ts'
import { fields } from './guards.ts'

/** The part of `localStorage` that is used. */
export interface KeyStore {
  getItem(key: string): string | null
  setItem(key: string, value: string): void
}

const STATES: readonly unknown[] = [
  'online',
  'unavailable',
  'busy',
  'free_for_chat',
  'offline',
  'hidden',
] satisfies OwnState[]

/** What was chosen, kept over reloads and told to the other tabs of the same user. */
export class ChoiceMemory {
  readonly #key: string
  readonly #storage: KeyStore | null
  readonly #open: () => TabChannel | null
  #channel: TabChannel | null = null

  constructor({
    userId,
    storage,
    channel,
  }: {
    readonly userId: string
    readonly storage: KeyStore | null | undefined
    readonly channel: (() => TabChannel | null) | undefined
  }) {
    this.#key = `adsum-presence ${userId}`
    this.#storage = storage === undefined ? browserStorage() : storage
    this.#open = channel ?? (() => openChannel(this.#key))
  }

  get state(): OwnState {
    try {
      return asState(this.#storage?.getItem(this.#key)) ?? 'online'
    } catch {
      return 'online'
    }
  }

  start(follow: (choice: Partial<Choice>) => void): void {
    this.#channel = this.#open()
    this.#channel?.listen((message) => {
      const { state, statusMsg } = fields(message)
      const known = asState(state)
      if (known === null) return
      follow({
        state: known,
        ...((typeof statusMsg === 'string' || statusMsg === null) && { statusMsg }),
      })
    })
  }

  chose(choice: Choice): void {
    this.#channel?.post(choice)
    try {
      this.#storage?.setItem(this.#key, choice.state)
    } catch {
      // Full or forbidden: then it lasts until the reload.
    }
  }

  stop(): void {
    this.#channel?.close()
    this.#channel = null
  }
}

function asState(value: unknown): OwnState | null {
  return STATES.includes(value) ? (value as OwnState) : null
}

/** Reading the property alone throws where a browser forbids storage. */
function browserStorage(): KeyStore | null {
  try {
    const { window, localStorage } = globalThis as { window?: unknown; localStorage?: KeyStore }
    return window === undefined ? null : (localStorage ?? null)
  } catch {
    return null
  }
}
