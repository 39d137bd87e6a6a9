import type { UserId } from '../matrix/ids.ts'
import type { Store, Write } from '../ports/store.ts'
import type { Stream } from '../ports/stream.ts'

interface UnfinishedDeps {
  readonly store: Pick<Store, 'meta'>
  readonly stream: Pick<Stream, 'commit'>
  /** The row of `meta` that holds the list, a JSON array. */
  readonly key: string
}

/** Users for whom something is still to be done: the list is durable, so that a crash does not end it half-way. */
export class Unfinished {
  readonly #deps: UnfinishedDeps
  #loading: Promise<Set<UserId>> | null = null

  constructor(deps: UnfinishedDeps) {
    this.#deps = deps
  }

  /** Those on the list; after a start, what an earlier process left. */
  async users(): Promise<readonly UserId[]> {
    return [...(await this.#list())]
  }

  async includes(userId: UserId): Promise<boolean> {
    return (await this.#list()).has(userId)
  }

  /** Commits the writes, and with them that the work for the user has begun. */
  async begin(userId: UserId, writes: readonly Write[]): Promise<void> {
    const users = await this.#list()
    const isNew = !users.has(userId)
    users.add(userId)
    try {
      await this.#commit(users, writes)
    } catch (error) {
      if (isNew) users.delete(userId)
      throw error
    }
  }

  async end(userId: UserId): Promise<void> {
    const users = await this.#list()
    if (users.delete(userId)) await this.#commit(users, [])
  }

  /** The list as it is now; commits keep the order of the calls, so the newest lasts. */
  async #commit(users: ReadonlySet<UserId>, writes: readonly Write[]): Promise<void> {
    const row = { key: this.#deps.key, value: JSON.stringify([...users]) }
    await this.#deps.stream.commit(() => [...writes, { put: 'meta', row }])
  }

  /** Loaded when first needed; a failure is not kept. */
  #list(): Promise<Set<UserId>> {
    this.#loading ??= this.#load().catch((error: unknown) => {
      this.#loading = null
      throw error
    })
    return this.#loading
  }

  async #load(): Promise<Set<UserId>> {
    const { store, key } = this.#deps
    return new Set(JSON.parse((await store.meta(key)) ?? '[]') as UserId[])
  }
}
