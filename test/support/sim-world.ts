import { expect } from 'vitest'
import type { StreamPresence } from '../../src/engine/commands.ts'
import { serverOf, type DeviceId, type ServerName, type UserId } from '../../src/matrix/ids.ts'
import type { Write } from '../../src/ports/store.ts'
import type { PresenceReport } from '../../src/ports/submit.ts'
import { operate } from './list-devices.ts'
import type { Choices, ListHouse } from './list-house.ts'
import { ManualClock, settle } from './manual-clock.ts'
import { SimDevice } from './sim-device.ts'
import { checkAgreement } from './sim-agreement.ts'
import { Ledger } from './sim-ledger.ts'
import { LossyNet } from './sim-net.ts'
import { SimRooms } from './sim-rooms.ts'
import { SimServer } from './sim-server.ts'

export const SECOND = 1_000
export const MINUTE = 60 * SECOND
export const HOUR = 60 * MINUTE
export const DAY = 24 * HOUR

/** Clocks of servers differ by this at most. */
const SKEW_MAX_MS = 2 * MINUTE
const ROOMS = 2
/** Whatever was heard last of users of another server is not believed for longer. */
const EXPIRY_MS = 66 * MINUTE
/** After this back-offs, expiry and reminders are over, whatever was lost. */
const HEALING_MS = 3 * HOUR
/** Where nothing was lost but by failures, it takes no ping and no reminder: only the end of the back-offs. */
const PROMPT_HEALING_MS = 8 * MINUTE
const STREAMS: readonly StreamPresence[] = [
  'implicit',
  'implicit',
  'implicit',
  'online',
  'unavailable',
  'offline',
]
const REPORTS = ['online', 'online', 'unavailable', 'offline', 'free_for_chat', 'busy', 'hidden'] as const

/** Servers of one process, the people on them, a bad network between them, and what must hold of it all. */
export class SimWorld {
  readonly time = new ManualClock()
  readonly servers: readonly SimServer[]
  readonly devices: readonly SimDevice[]
  readonly users: readonly UserId[]
  readonly net: LossyNet
  /** What was done, for whoever reads of a failure. */
  readonly trace: string[] = []
  /** What was seen of it, so that a test can tell whether it tested anything. */
  readonly seen = new Map<string, number>()
  /** Nothing that was acknowledged is ever lost: no refusals, no crashes. */
  readonly isPrompt: boolean
  readonly #random: Choices
  readonly #ledger = new Ledger(this.time)
  readonly #rooms: SimRooms
  readonly #byName: ReadonlyMap<ServerName, SimServer>
  #texts = 0

  private constructor(random: Choices) {
    this.#random = random
    this.isPrompt = random.below(2) === 0
    const names = ['a.example', 'b.example', 'c.example', 'd.example'] as ServerName[]
    this.net = new LossyNet({
      clock: this.time,
      random,
      hasRefusals: !this.isPrompt,
      host: (name) => this.#byName.get(name)?.running ?? null,
      onFirst: (sending) => this.#ledger.checkSaid(sending, this.#serverNamed(sending.from.name)),
    })
    this.servers = names.slice(0, 2 + random.below(3)).map((name) => this.#newServer(name))
    this.#byName = new Map(this.servers.map((server) => [server.name, server]))
    this.devices = this.servers.flatMap((server) => this.#people(server))
    this.users = [...new Set(this.devices.map(({ userId }) => userId))]
    const onMembers: ConstructorParameters<typeof SimRooms>[0]['onMembers'] = (server, roomId) => {
      this.#note(`${server.name} knows in ${roomId}: ${[...(server.rooms.get(roomId) ?? [])].join(' ')}`)
      this.#ledger.share(server.rooms.get(roomId) ?? [])
      for (const device of this.#devicesOf(server)) device.somebodyWent()
    }
    this.#rooms = new SimRooms({
      count: ROOMS,
      servers: this.servers,
      time: this.time,
      random,
      // A push that comes before the join is dropped if meanwhile the last other tie to its user ends: a ping mends that.
      isAtOnce: this.isPrompt,
      onMembers,
    })
  }

  static async open(random: Choices): Promise<SimWorld> {
    const world = new SimWorld(random)
    for (const server of world.servers) {
      await server.starts()
      for (const userId of world.usersOf(server)) server.registers(userId)
    }
    await world.#look()
    return world
  }

  usersOf(server: SimServer): UserId[] {
    return this.users.filter((userId) => serverOf(userId) === server.name)
  }

  /** One thing happens, and some time passes. */
  async step(): Promise<void> {
    await this.#act()
    await this.#look()
    await this.passes(this.#pause())
  }

  /** Moves time on, moment by moment, and looks at everything at each. */
  async passes(ms: number): Promise<void> {
    const end = this.time.now() + ms
    for (let due = this.time.nextDue; due !== null && due <= end; due = this.time.nextDue) {
      await this.time.advance(due - this.time.now())
      await this.#look()
    }
    await this.time.advance(end - this.time.now())
  }

  /** Everything works from now on, and after a while all agree. */
  async heals(): Promise<void> {
    this.#note('heals')
    this.net.hasFaults = false
    this.net.heal()
    for (const server of this.servers) if (server.running === null) await this.#start(server)
    for (const server of this.servers) this.#rooms.arriveAll(server)
    for (const device of this.devices)
      if (this.#random.below(3) === 0 && !this.#isOver(device.userId)) device.connects('implicit')
    await this.passes(this.isPrompt ? PROMPT_HEALING_MS : HEALING_MS)
    await checkAgreement(this)
    for (const device of this.devices) {
      if (this.#random.below(2) === 0 || this.#isOver(device.userId)) continue
      if (this.#random.below(3) === 0) this.#turnRoom(device)
      else await this.#touch(device)
      await this.#look()
      await this.passes(this.#random.below(5 * SECOND))
    }
    // Rooms take their time, and what went wrong with that is mended by pings.
    await this.passes(this.isPrompt ? 2 * MINUTE : 40 * MINUTE)
    await checkAgreement(this)
  }

  /** A day on which nobody does anything: how much do the servers say? */
  async quietDay(): Promise<number> {
    const before = this.net.transactions
    await this.time.advance(DAY)
    await this.#look()
    return this.net.transactions - before
  }

  mayShow(server: SimServer, observer: UserId, observed: UserId): boolean {
    return this.#ledger.mayShow(server, observer, observed)
  }

  saw(what: string): void {
    this.seen.set(what, (this.seen.get(what) ?? 0) + 1)
  }

  breaks(): void {
    this.net.hasFaults = true
  }

  #newServer(name: ServerName): SimServer {
    const skewMs = this.#random.below(2 * SKEW_MAX_MS) - SKEW_MAX_MS
    const env = {
      ADSUM_PRESENCE__BUSY: this.#random.of(['true', 'false']),
      // Who becomes idle meanwhile is told again, which would mend whatever went wrong.
      ...(this.isPrompt && { ADSUM_FEDERATION__RETRY_MAX: '2m', ADSUM_PRESENCE__IDLE_TIMEOUT: '1h' }),
    }
    return new SimServer({
      name,
      time: this.time,
      skewMs,
      random: this.#random,
      env,
      send: (from, request) => this.net.request(from, request),
      onCommit: (writes) => this.#committed(name, writes),
    })
  }

  #committed(name: ServerName, writes: readonly Write[]): void {
    this.#ledger.committed(name, writes)
    for (const write of writes) {
      if (!('put' in write) || write.put !== 'presenceList' || write.row.state !== 'pending') continue
      // Of a pair that ended and was begun again while a device slept, only the beginning is known after a restart.
      for (const device of this.devices) if (device.userId === write.row.observer) device.somebodyWent()
    }
  }

  #people(server: SimServer): SimDevice[] {
    const names = ['ann', 'ben', 'cat'].slice(0, this.#random.of([1, 2, 2, 3]))
    return names.flatMap((name) => {
      const userId = `@${name}:${server.name}` as UserId
      const devices = ['phone', 'desk'].slice(0, 1 + this.#random.below(2))
      return devices.map((deviceId) => new SimDevice(userId, deviceId, server))
    })
  }

  #devicesOf(server: SimServer): SimDevice[] {
    return this.devices.filter((device) => device.server === server)
  }

  #serverNamed(name: ServerName): SimServer {
    return this.#byName.get(name) as SimServer
  }

  #serverOf(userId: UserId): SimServer {
    return this.#serverNamed(serverOf(userId))
  }

  #isOver(userId: UserId): boolean {
    return this.#serverOf(userId).accounts.get(userId)?.isOver === true
  }

  #note(what: string): void {
    this.trace.push(`${new Date(this.time.now()).toISOString()} ${what}`)
  }

  #pause(): number {
    const kind = this.#random.below(100)
    if (kind < 40) return this.#random.below(SECOND)
    if (kind < 70) return this.#random.below(30 * SECOND)
    if (kind < 92) return this.#random.below(10 * MINUTE)
    if (kind < 99 || this.#random.below(3) > 0) return this.#random.below(2 * HOUR)
    return this.#random.below(20) === 0 ? this.#random.below(32 * DAY) : this.#random.below(12 * HOUR)
  }

  /** Of a server that is down for long, nobody is there any more (P-197). */
  #checkSilent(server: SimServer): void {
    for (const { name, downTs } of this.servers) {
      if (downTs === null || this.time.now() - downTs <= EXPIRY_MS) continue
      for (const observer of this.usersOf(server))
        for (const observed of this.usersOf(this.#serverNamed(name))) {
          const state = server.life.core.loop.view(observer, observed)?.state ?? 'offline'
          if (state !== 'offline') expect.unreachable(`${observer} sees ${observed} ${state}, who is gone`)
        }
      this.saw('nobody of a server that is gone')
    }
  }

  async #act(): Promise<void> {
    const kind = this.#random.below(100)
    if (kind < 3) return this.#server()
    if (kind < 5) return this.#cut()
    const device = this.#random.of(this.devices)
    const { server, userId } = device
    if (!server.isUp) {
      if (this.#random.below(3) === 0) await this.#start(server)
      return
    }
    if (this.#isOver(userId)) return
    if (kind < 45) return this.#touch(device)
    if (kind < 52) return this.#turnRoom(device)
    if (kind < 55) return this.#ignore(device)
    if (kind === 55) return this.#end(device)
    return this.#consent(device)
  }

  async #server(): Promise<void> {
    const server = this.#random.of(this.servers)
    if (server.running === null) return this.#start(server)
    const isClean = this.isPrompt || this.#random.below(2) === 0
    this.#note(`${server.name} ${isClean ? 'stops' : 'crashes'}`)
    const { life } = server
    if (isClean) await server.stops()
    else server.crashes()
    this.net.killed(life)
    await settle(1)
    for (const device of this.#devicesOf(server)) device.serverEnded()
    if (this.#random.below(2) === 0) await this.passes(1 + this.#random.below(MINUTE))
    if (this.#random.below(4) > 0) await this.#start(server)
  }

  async #start(server: SimServer): Promise<void> {
    this.#note(`${server.name} starts`)
    await server.starts()
    this.#rooms.arriveAll(server)
    await this.#look()
  }

  #cut(): void {
    const [a, b] = [this.#random.of(this.servers), this.#random.of(this.servers)]
    if (a === b) return
    const forMs = this.#random.of([MINUTE, 20 * MINUTE, 5 * HOUR])
    this.#note(`${a.name} and ${b.name} are cut for ${forMs / MINUTE} min`)
    this.net.cut(a.name, b.name, forMs)
  }

  /** Something that shows, or would if it were not hidden. */
  async #touch(device: SimDevice): Promise<void> {
    const { server, userId, deviceId } = device
    const { life } = server
    const kind = this.#random.below(10)
    if (kind < 4) {
      const presence = this.#random.of(STREAMS)
      this.#note(`${userId} ${deviceId} connects ${presence}`)
      device.connects(presence)
    } else if (kind < 5) {
      this.#note(`${userId} ${deviceId} disconnects`)
      device.disconnects()
    } else if (kind < 6) {
      this.#note(`${userId} ${deviceId} acts`)
      life.core.loop.acted(userId, deviceId)
    } else if (kind < 7) {
      this.#note(`${userId} ${deviceId} syncs`)
      await device.syncs()
    } else await this.#report(device)
  }

  async #report({ server, userId, deviceId }: SimDevice): Promise<void> {
    const presence = this.#random.of(REPORTS)
    const report: PresenceReport = { presence, status: this.#status() }
    this.#note(`${userId} ${deviceId} is ${presence} ${JSON.stringify(report.status)}`)
    this.#hide(userId, deviceId, presence === 'hidden')
    const requester = { userId, deviceId, guest: false, admin: false }
    await server.life.presence.set(requester, userId, report)
  }

  #hide(userId: UserId, deviceId: DeviceId, isHidden: boolean): void {
    const { hidden } = this.#ledger
    if (isHidden) hidden.set(userId, deviceId)
    else if (hidden.get(userId) === deviceId) hidden.delete(userId)
  }

  #status(): PresenceReport['status'] {
    const kind = this.#random.below(4)
    if (kind < 2) return { kind: 'keep' }
    return kind === 2 ? { kind: 'clear' } : { kind: 'set', text: `text ${(this.#texts += 1)}` }
  }

  #turnRoom({ server, userId }: SimDevice): void {
    const index = this.#random.below(ROOMS)
    this.#note(`${userId} turns at room ${index}`)
    this.#rooms.turn(server, userId, index)
  }

  #ignore({ server, userId }: SimDevice): void {
    const ignored = this.users.filter((other) => other !== userId && this.#random.below(6) === 0)
    this.#note(`${userId} ignores ${ignored.join(' ')}`)
    server.ignores(userId, new Set(ignored))
    for (const device of this.devices) if (device.userId === userId) device.somebodyWent()
  }

  async #end({ server, userId }: SimDevice): Promise<void> {
    // Few, or nobody is left.
    if (this.#random.below(6) > 0) return
    this.#note(`${userId} ends`)
    for (const device of this.devices) if (device.userId === userId) device.disconnects()
    this.#rooms.leaveAll(server, userId)
    this.#ledger.hidden.delete(userId)
    await server.deactivates(userId)
  }

  async #consent({ server, userId }: SimDevice): Promise<void> {
    const other = this.#random.of(this.users)
    const { lists } = server.life.parts
    if (other === userId) return
    // Most people mean well, or there would be nobody to see.
    if (this.#random.below(5) > 0) {
      const grant = await server.memory.presenceGrant(userId, other)
      if (grant?.state === 'pending') {
        this.#note(`${userId} accepts ${other}`)
        return lists.accept(userId, other, { addBack: this.#random.below(2) === 0 })
      }
      this.#note(`${userId} invites ${other}`)
      return lists.change(userId, { invite: [other], drop: [] })
    }
    this.#note(`${userId} does something about ${other}`)
    await operate({ lists } as ListHouse, userId, other, this.#random)
  }

  /** What holds at every moment. */
  async #look(): Promise<void> {
    await settle(1)
    for (const server of this.servers) {
      if (!server.isUp) continue
      const own = this.usersOf(server)
      this.#ledger.recordFaces(server, own)
    }
    for (const server of this.servers) {
      if (!server.isUp) continue
      for (const observer of this.usersOf(server))
        for (const observed of this.users)
          if (serverOf(observed) !== server.name) this.#ledger.checkShown(server, observer, observed)
      this.#checkSilent(server)
      if (server.life.outbound.size >= this.servers.length)
        expect.unreachable('more destinations than servers')
      if (server.errors.length > 0) expect.unreachable(server.errors.join())
    }
  }
}
