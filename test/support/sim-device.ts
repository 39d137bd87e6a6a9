import { expect } from 'vitest'
import type { StreamPresence } from '../../src/engine/commands.ts'
import { presenceWord } from '../../src/matrix/presence.ts'
import type { DeviceId, UserId } from '../../src/matrix/ids.ts'
import type { SyncToken } from '../../src/matrix/token.ts'
import type { Life, SimServer } from './sim-server.ts'

interface Dot {
  readonly presence: string
  readonly statusMsg: string | null
}

const GREY: Dot = { presence: 'offline', statusMsg: null }

/** A client that reads on from where it stopped, and believes what it was told. */
export class SimDevice {
  readonly userId: UserId
  readonly deviceId: DeviceId
  readonly server: SimServer
  readonly #dots = new Map<UserId, Dot>()
  #since: SyncToken | null = null
  #stream: { readonly life: Life; readonly close: () => void } | null = null
  /** Somebody went out of sight since it read last, in a way of which nothing is known after a restart. */
  #misses = false

  constructor(userId: UserId, deviceId: string, server: SimServer) {
    this.userId = userId
    this.deviceId = deviceId as DeviceId
    this.server = server
  }

  get isConnected(): boolean {
    return this.#stream !== null && this.#stream.life === this.server.running
  }

  connects(presence: StreamPresence): void {
    this.disconnects()
    const { life } = this.server
    this.#stream = { life, close: life.core.loop.openStream(this.userId, this.deviceId, presence) }
  }

  disconnects(): void {
    if (this.isConnected) this.#stream?.close()
    this.#stream = null
  }

  somebodyWent(): void {
    this.#misses = true
  }

  serverEnded(): void {
    this.#stream = null
    if (this.#misses) this.#since = null
  }

  async syncs(): Promise<void> {
    const { stream, section, core, parts } = this.server.life
    if (this.#since === null) this.#dots.clear()
    const upTo = stream.current
    const query = { viewer: this.userId, filter: {}, fullState: false, form: 'sync' } as const
    const window = section.window(query, this.#since)
    const after = this.#since?.rooms.stream ?? null
    const { ended } = await parts.listNews.read(this.userId, { after, upTo, withPending: false })
    for (const event of await window.events(ended)) {
      const { sender, content } = event as unknown as {
        sender: UserId
        content: { presence: string; status_msg?: string }
      }
      this.#dots.set(sender, { presence: content.presence, statusMsg: content.status_msg ?? null })
    }
    this.#since = { epoch: core.epoch, presence: window.position, rooms: { stream: upTo, typing: 0 } }
    this.#misses = false
  }

  /** It believes what a look at the user would show; of who is offline, at least that. */
  checkBelief(userId: UserId): void {
    const { core, now } = { core: this.server.life.core, now: this.server.now }
    const isIgnored = core.loop.isIgnored(userId, this.userId)
    const view = isIgnored ? null : core.loop.view(this.userId, userId)
    const shown = view === null ? 'offline' : presenceWord(view, 'modern', this.server.config.presence.busy)
    const { presence, statusMsg } = this.#dots.get(userId) ?? GREY
    const what = `${this.userId} ${this.deviceId} of ${userId} at ${new Date(now).toISOString()}`
    expect(presence, what).toBe(shown)
    if (shown !== 'offline') expect(statusMsg, what).toBe(view?.statusMsg ?? null)
    if (view === null) expect(statusMsg, what).toBe(null)
  }
}
