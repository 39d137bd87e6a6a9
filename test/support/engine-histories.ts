import * as fc from 'fast-check'
import { assertNever } from '../../src/base/assert.ts'
import type { Command, StreamPresence } from '../../src/engine/commands.ts'
import type { DeviceNum, PresenceState, RoomNum, StatusChange, UserNum } from '../../src/engine/types.ts'
import { DAY, HOUR, MINUTE, SECOND } from './engine-kit.ts'

/** What can happen among a few users, each with a few devices, in a few rooms; numbers are indexes. */
export type Step =
  | { readonly kind: 'passes'; readonly ms: number }
  | {
      readonly kind: 'opens' | 'closes'
      readonly user: number
      readonly device: number
      readonly presence: StreamPresence
    }
  | { readonly kind: 'acts' | 'logsOut'; readonly user: number; readonly device: number }
  | {
      readonly kind: 'puts'
      readonly user: number
      readonly device: number
      readonly presence: PresenceState | 'hidden'
      readonly status: StatusChange
    }
  | { readonly kind: 'renames'; readonly user: number; readonly device: number | null }
  | { readonly kind: 'registers' | 'deactivates'; readonly user: number }
  | { readonly kind: 'joins' | 'leaves'; readonly user: number; readonly room: number }
  | { readonly kind: 'grants' | 'revokes'; readonly observed: number; readonly observer: number }
  | { readonly kind: 'ignores'; readonly user: number; readonly ignored: readonly number[] }

export const USERS = 4
export const ROOMS = 3
const DEVICES = 2

const user = fc.nat(USERS - 1)
const device = fc.nat(DEVICES - 1)
const streamPresence = fc.constantFrom<StreamPresence>('implicit', 'online', 'unavailable', 'offline', 'busy')
const kind = <Kind extends Step['kind']>(...kinds: Kind[]): fc.Arbitrary<Kind> => fc.constantFrom(...kinds)

/** The delays that matter: nothing, next to every deadline, and long. */
const ms = fc.oneof(
  fc.constantFrom(1, SECOND, 29_999, 30 * SECOND, MINUTE - 1, MINUTE, 5 * MINUTE, HOUR, 8 * DAY),
  fc.nat(MINUTE),
)

const status = fc.constantFrom<StatusChange>(
  { kind: 'keep' },
  { kind: 'clear' },
  { kind: 'set', text: 'here' },
  { kind: 'set', text: 'there' },
)

export const anyStep: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: kind('passes'), ms }) },
  {
    weight: 6,
    arbitrary: fc.record({ kind: kind('opens', 'closes'), user, device, presence: streamPresence }),
  },
  { weight: 2, arbitrary: fc.record({ kind: kind('acts', 'acts', 'logsOut'), user, device }) },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: kind('puts'),
      user,
      device,
      presence: fc.constantFrom<PresenceState | 'hidden'>(
        'online',
        'offline',
        'unavailable',
        'free_for_chat',
        'busy',
        'hidden',
        'hidden',
      ),
      status,
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: kind('renames'), user, device: fc.option(device) }) },
  { weight: 1, arbitrary: fc.record({ kind: kind('registers', 'registers', 'deactivates'), user }) },
  {
    weight: 6,
    arbitrary: fc.record({ kind: kind('joins', 'joins', 'leaves'), user, room: fc.nat(ROOMS - 1) }),
  },
  { weight: 2, arbitrary: fc.record({ kind: kind('grants', 'revokes'), observed: user, observer: user }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: kind('ignores'), user, ignored: fc.uniqueArray(user, { maxLength: 2 }) }),
  },
)

export const anyHistory = fc.array(anyStep, { maxLength: 60, size: 'max' })

type StreamStep = Extract<Step, { kind: 'opens' | 'closes' }>
type OpenStream = Omit<StreamStep, 'kind'> & { readonly num: DeviceNum }

/**
 * Turns steps into the commands that the shell would send: only streams that are open are closed, with the device that
 * opened them, and a number that logged out is not given out again.
 */
export class Shell {
  readonly #logins = new Map<string, number>()
  #streams: OpenStream[] = []
  #given = 0

  /** Streams that count as presence and whose device is still logged in. */
  get countedStreams(): readonly OpenStream[] {
    return this.#streams.filter(
      ({ user, device, presence, num }) => presence !== 'offline' && num === this.device(user, device),
    )
  }

  /** Is a stream of the user open, whatever it says? */
  hasStream(user: number): boolean {
    return this.#streams.some((stream) => stream.user === user)
  }

  /** The present login on a device. */
  device(user: number, index: number): DeviceNum {
    const key = `${user}/${index}`
    const num = this.#logins.get(key) ?? (this.#given += 1)
    this.#logins.set(key, num)
    return num as DeviceNum
  }

  /** Down and up again: nobody polls, everybody is still logged in. */
  restarts(): void {
    this.#streams = []
  }

  /** Null where there is nothing to send. */
  command(step: Exclude<Step, { kind: 'passes' }>): Command | null {
    switch (step.kind) {
      case 'opens':
        return this.#opens(step)
      case 'closes':
        return this.#closes(step)
      case 'acts':
        return { kind: 'device.acted', ...this.#who(step) }
      case 'logsOut':
        return this.#logsOut(step)
      case 'puts':
        return { kind: 'device.reported', ...this.#who(step), presence: step.presence, status: step.status }
      case 'renames': {
        const device = step.device === null ? null : this.device(step.user, step.device)
        return { kind: 'profile.changed', user: step.user as UserNum, device }
      }
      case 'registers':
        return { kind: 'user.registered', user: step.user as UserNum }
      case 'deactivates':
        for (let device = 0; device < DEVICES; device += 1) this.#logsOut({ user: step.user, device })
        return { kind: 'user.deactivated', user: step.user as UserNum }
      case 'joins':
      case 'leaves': {
        const kindOfStep = step.kind === 'joins' ? 'room.joined' : 'room.left'
        return { kind: kindOfStep, room: step.room as RoomNum, user: step.user as UserNum }
      }
      case 'grants':
      case 'revokes': {
        if (step.observer === step.observed) return null
        const kindOfStep = step.kind === 'grants' ? 'grant.given' : 'grant.removed'
        return { kind: kindOfStep, observer: step.observer as UserNum, observed: step.observed as UserNum }
      }
      case 'ignores': {
        const ignored = step.ignored.filter((other) => other !== step.user) as UserNum[]
        return { kind: 'ignores.set', user: step.user as UserNum, ignored }
      }
      default:
        return assertNever(step)
    }
  }

  #opens({ user, device, presence }: StreamStep): Command {
    const num = this.device(user, device)
    this.#streams.push({ user, device, presence, num })
    return { kind: 'stream.opened', user: user as UserNum, device: num, presence }
  }

  #closes({ user, device, presence }: StreamStep): Command | null {
    const at = this.#streams.findIndex(
      (stream) => stream.user === user && stream.device === device && stream.presence === presence,
    )
    const [closed] = at === -1 ? [] : this.#streams.splice(at, 1)
    return closed === undefined
      ? null
      : { kind: 'stream.closed', user: user as UserNum, device: closed.num, presence }
  }

  #logsOut(step: { user: number; device: number }): Command {
    const who = this.#who(step)
    this.#logins.delete(`${step.user}/${step.device}`)
    return { kind: 'device.removed', ...who }
  }

  #who({ user, device }: { user: number; device: number }): { user: UserNum; device: DeviceNum } {
    return { user: user as UserNum, device: this.device(user, device) }
  }
}
