import { must } from '../base/assert.ts'
import { Background } from '../base/background.ts'
import type { Clock } from '../base/clock.ts'
import { randomText, type Random } from '../base/random.ts'
import type { Serial } from '../base/serial.ts'
import { refuse } from '../matrix/errors.ts'
import {
  isNewLocalpart,
  makeUserId,
  parseUserId,
  serverOf,
  localpartOf,
  type ServerName,
  type UserId,
} from '../matrix/ids.ts'
import type { Requester } from '../ports/directory.ts'
import type { Log } from '../ports/log.ts'
import type { Row, Store, Write } from '../ports/store.ts'
import type { Stream } from '../ports/stream.ts'
import type { PresenceSubmit } from '../ports/submit.ts'
import type { DeviceRequest, Devices, Session } from './devices.ts'
import type { AccountDirectory } from './directory.ts'
import type { PasswordAttempts } from './password-attempts.ts'
import type { Passwords } from './passwords.ts'
import { Unfinished } from './unfinished.ts'

const GENERATED_LETTERS = 'abcdefghijklmnopqrstuvwxyz'
const GENERATED_LENGTH = 12

/** Text, a hash made earlier by `passwords.hash`, or no password at all. */
export type NewPassword = string | { readonly hash: string } | null

interface NewAccount {
  readonly admin: boolean
  readonly guest: boolean
  readonly displayname?: string
  /** Null: no login (`inhibit_login`). */
  readonly device: DeviceRequest | null
}

interface Registration {
  readonly userId: UserId
  readonly session: Session | null
}

interface AccountsDeps {
  readonly store: Pick<Store, 'account' | 'meta'>
  readonly stream: Pick<Stream, 'commit'>
  readonly clock: Clock
  readonly random: Random
  readonly serverName: ServerName
  readonly passwords: Passwords
  readonly attempts: PasswordAttempts
  readonly devices: Devices
  readonly directory: Pick<AccountDirectory, 'profileChanged'>
  /** The line of each user's account and device changes, shared with `devices`. */
  readonly users: Serial<UserId>
  readonly submit: Pick<PresenceSubmit, 'registered' | 'deactivated' | 'acted'>
  /** Leaves all rooms and rejects all invites; may be called again for what it left undone. */
  readonly onDeactivate: (userId: UserId) => Promise<void>
  readonly log: Pick<Log, 'error'>
}

export interface Accounts {
  /** The localpart as it would be registered; refused if it may not be or is taken. */
  checkName(username: string): Promise<string>
  /** Takes the name exactly once, whoever else asks for it; a null `username` is made up. */
  register(username: string | null, password: NewPassword, account: NewAccount): Promise<Registration>
  /**
   * `user` is a localpart or a whole user ID, in any case. One refusal for all that can be wrong. Failures
   * are charged to `address`, as to the account.
   */
  login(user: string, password: string, device: DeviceRequest, address: string): Promise<Session>
  logout(requester: Requester): Promise<void>
  logoutAll(requester: Requester): Promise<void>
  /** Is this the requester's own password? Another user's is 403. */
  isOwnPassword(requester: Requester, user: string, password: string, address: string): Promise<boolean>
  changePassword(requester: Requester, newPassword: string, logoutDevices: boolean): Promise<void>
  /**
   * Durable when it resolves; the rooms are left behind it, after a restart if need be. With `erase`, who was not
   * in a room when the user wrote something there sees it redacted from now on.
   */
  deactivate(userId: UserId, erase: boolean): Promise<void>
  /** Takes up the deactivations that an earlier process did not finish; said once, when rooms can be left. */
  resume(): Promise<void>
  /** Resolves when no deactivation runs any more. */
  close(): Promise<void>
}

export function createAccounts(deps: AccountsDeps): Accounts {
  return new StoredAccounts(deps)
}

class StoredAccounts implements Accounts {
  readonly #deps: AccountsDeps
  /** Whose rooms are not all left yet. */
  readonly #leaving: Unfinished
  readonly #background = new Background()

  constructor(deps: AccountsDeps) {
    this.#deps = deps
    this.#leaving = new Unfinished({ ...deps, key: 'accounts.deactivating' })
  }

  async checkName(username: string): Promise<string> {
    const { store, serverName } = this.#deps
    const localpart = lowerCased(username)
    const reserved = localpart.startsWith('_') || /^\d+$/.test(localpart)
    if (reserved || !isNewLocalpart(localpart, serverName)) throw refuse.invalidUsername()
    if ((await store.account(makeUserId(localpart, serverName))) !== null) throw refuse.userInUse()
    return localpart
  }

  async register(username: string | null, password: NewPassword, account: NewAccount): Promise<Registration> {
    const { serverName, passwords, random, users } = this.#deps
    const localpart = await this.checkName(
      username ?? randomText(random, GENERATED_LETTERS, GENERATED_LENGTH),
    )
    const passwordHash =
      typeof password === 'string' ? await passwords.hash(password) : (password?.hash ?? null)
    const userId = makeUserId(localpart, serverName)
    return await users.run(userId, () => this.#create(userId, passwordHash, account))
  }

  async login(user: string, password: string, device: DeviceRequest, address: string): Promise<Session> {
    const { store, stream, devices, users, submit, attempts } = this.#deps
    const userId = this.#localUser(user)
    const proven = await attempts.prove(userId, password, address)
    if (proven === null) throw refuse.wrongPassword()
    return await users.run(proven.userId, async () => {
      // The password may have changed, or the account ended, while this one was being checked.
      const account = await store.account(proven.userId)
      if (account?.passwordHash !== proven.passwordHash) throw refuse.wrongPassword()
      const opening = await devices.planOpening(proven.userId, device)
      await stream.commit(() => opening.writes)
      opening.done()
      submit.acted(proven.userId, opening.session.deviceId)
      return opening.session
    })
  }

  async logout(requester: Requester): Promise<void> {
    await this.#deps.devices.remove(requester.userId, [requester.deviceId])
  }

  async logoutAll(requester: Requester): Promise<void> {
    await this.#deps.devices.removeAll(requester.userId)
  }

  async isOwnPassword(
    requester: Requester,
    user: string,
    password: string,
    address: string,
  ): Promise<boolean> {
    if (this.#localUser(user) !== requester.userId)
      throw refuse.forbidden('Only the owner of the access token can confirm this')
    return (await this.#deps.attempts.prove(requester.userId, password, address)) !== null
  }

  async changePassword(requester: Requester, newPassword: string, logoutDevices: boolean): Promise<void> {
    const { stream, passwords, devices, users } = this.#deps
    const { userId, deviceId } = requester
    const passwordHash = await passwords.hash(newPassword)
    await users.run(userId, async () => {
      const account = await this.#living(userId)
      const plan = logoutDevices ? await devices.planRemovalOfAll(userId, deviceId) : null
      const put: Write = { put: 'accounts', row: { ...account, passwordHash } }
      await stream.commit(() => [put, ...(plan?.writes ?? [])])
      plan?.done()
    })
  }

  async deactivate(userId: UserId, erase: boolean): Promise<void> {
    const { clock, devices, users, directory, submit } = this.#deps
    await users.run(userId, async () => {
      const account = await this.#living(userId)
      const plan = await devices.planRemovalOfAll(userId, null)
      await this.#leaving.begin(userId, [
        { put: 'accounts', row: { ...account, passwordHash: null, deactivatedTs: clock.now() } },
        ...(erase ? [{ put: 'erasures', row: { userId } } as const] : []),
        ...plan.writes,
        ...dropUserData(userId),
      ])
      plan.done()
      directory.profileChanged(userId)
      submit.deactivated(userId)
    })
    this.#leaveBehind(userId)
  }

  async resume(): Promise<void> {
    const { store } = this.#deps
    for (const userId of await this.#leaving.users()) {
      // Another's commit may have carried the name while the one that ends this account failed.
      if (((await store.account(userId))?.deactivatedTs ?? null) === null) await this.#leaving.end(userId)
      else this.#leaveBehind(userId)
    }
  }

  close(): Promise<void> {
    return this.#background.idle()
  }

  async #create(userId: UserId, passwordHash: string | null, account: NewAccount): Promise<Registration> {
    const { store, stream, clock, devices, directory, submit } = this.#deps
    if ((await store.account(userId)) !== null) throw refuse.userInUse()
    const opening = account.device === null ? null : await devices.planOpening(userId, account.device)
    const row: Row<'accounts'> = {
      userId,
      passwordHash,
      admin: account.admin ? 1 : 0,
      guest: account.guest ? 1 : 0,
      createdTs: clock.now(),
      deactivatedTs: null,
    }
    const writes: Write[] = [{ put: 'accounts', row }]
    if (account.displayname !== undefined && account.displayname !== '') {
      const json = JSON.stringify(account.displayname)
      writes.push({ put: 'profiles', row: { userId, field: 'displayname', json } })
    }
    await stream.commit(() => [...writes, ...(opening?.writes ?? [])])
    opening?.done()
    directory.profileChanged(userId)
    submit.registered(userId, opening?.session.deviceId ?? null)
    return { userId, session: opening?.session ?? null }
  }

  /** A request may outlive its account; then its token is as good as unknown. */
  async #living(userId: UserId): Promise<Row<'accounts'>> {
    const account = must(await this.#deps.store.account(userId), 'the account of a requester')
    if (account.deactivatedTs !== null) throw refuse.unknownToken()
    return account
  }

  /** Null for another server's user and for names that nobody can have. */
  #localUser(user: string): UserId | null {
    const { serverName } = this.#deps
    const whole = user.startsWith('@') ? parseUserId(user) : null
    if (user.startsWith('@') && (whole === null || serverOf(whole) !== serverName)) return null
    const localpart = lowerCased(whole === null ? user : localpartOf(whole))
    return isNewLocalpart(localpart, serverName) ? makeUserId(localpart, serverName) : null
  }

  /** Leaves the rooms behind the caller's back; `close` waits for it, a restart takes it up again. */
  #leaveBehind(userId: UserId): void {
    const { onDeactivate, log } = this.#deps
    const leave = async (): Promise<void> => {
      await onDeactivate(userId)
      await this.#leaving.end(userId)
    }
    this.#background.run(leave, (err) =>
      log.error(
        { err, userId },
        'A deactivated user could not leave all rooms; tried again at the next start',
      ),
    )
  }
}

/** ASCII only: beyond it, lower case would turn letters that may not be registered into ones that may. */
function lowerCased(text: string): string {
  return text.replace(/[A-Z]/g, (letter) => letter.toLowerCase())
}

function dropUserData(userId: UserId): Write[] {
  const where = { userId }
  return [
    { drop: 'tokens', where },
    { drop: 'deviceKeys', where },
    { drop: 'oneTimeKeys', where },
    { drop: 'fallbackKeys', where },
    { drop: 'transactions', where },
    { drop: 'profiles', where },
    { drop: 'accountData', where },
    { drop: 'filters', where },
  ]
}
