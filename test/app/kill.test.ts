import { expect, test } from 'vitest'
import type { JsonObject } from '../../src/matrix/json.ts'
import type { Actor } from '../support/actors.ts'
import { configFile, emptyFolder, startProcess, type ServerProcess } from '../support/process.ts'

/** After how many answers the process is killed, in the midst of what the others do; one round each. */
const KILLED_AFTER = [7, 60, 23, 41]

/** What `status` is set to, one after the other; the text is the number of the setting. */
const STATES = ['online', 'hidden', 'unavailable', 'offline'] as const

/** Something that was answered with 200 and must be true for ever after. */
type Fact = (server: ServerProcess) => Promise<void>

/** A value that is set to 1, 2, 3 …: what is read must have been confirmed at least and tried at most. */
class Counted {
  confirmed = 0
  tried = 0

  async next(set: (n: number) => Promise<unknown>): Promise<void> {
    this.tried += 1
    const n = this.tried
    await set(n)
    this.confirmed = n
  }

  found(value: number, what: string): void {
    expect(value, `${what}: lost`).toBeGreaterThanOrEqual(this.confirmed)
    expect(value, `${what}: made up`).toBeLessThanOrEqual(this.tried)
    // What was not answered either happened or not; from now on it is known.
    this.confirmed = value
    this.tried = value
  }
}

type Role = 'talker' | 'namer' | 'keeper' | 'dot' | 'keys'

/** People who do one kind of thing each, without a pause, and remember what was answered. */
class Writers {
  readonly facts: Fact[] = []
  readonly #counted = { name: new Counted(), data: new Counted(), status: new Counted(), keys: new Counted() }
  readonly #people: Readonly<Record<Role, Actor>>
  #serial = 0

  constructor(people: Readonly<Record<Role, Actor>>) {
    this.#people = people
  }

  /** All at once, until the process is gone. Each answer is told to `answered`. */
  async write(server: ServerProcess, answered: () => void): Promise<void> {
    const doings = [
      () => this.#talk(server),
      () => this.#name(server),
      () => this.#keep(server),
      () => this.#set(server),
      () => this.#upload(server),
      () => this.#register(server),
      () => this.#log(server),
    ]
    await Promise.all(
      doings.map(async (does) => {
        for (;;) {
          try {
            await does()
          } catch (error) {
            // Fetch fails with this when the connection is cut; anything else is a finding.
            if (error instanceof TypeError) return
            throw error
          }
          answered()
        }
      }),
    )
  }

  async check(server: ServerProcess): Promise<void> {
    const { namer, keeper, dot, keys } = this.#people
    const counted = this.#counted
    const status = (await server.knows(dot).status(dot, 'api/v1')).body
    counted.status.found(Number(status['status_msg'] ?? 0), 'status')
    if (counted.status.confirmed > 0)
      expect(status['presence']).toBe(STATES[counted.status.confirmed % STATES.length])
    const profile = await server.knows(namer).ok('GET', `/v3/profile/${encodeURIComponent(namer.userId)}`)
    counted.name.found(Number(profile['displayname'] ?? 0), 'displayname')
    const data = await server.knows(keeper).request('GET', pathOfData(keeper))
    counted.data.found(Number(data.body['n'] ?? 0), 'account data')
    counted.keys.found(countOf(await server.knows(keys).ok('POST', '/v3/keys/upload', { body: {} })), 'keys')
    await Promise.all(this.facts.map((holds) => holds(server)))
  }

  async #talk(server: ServerProcess): Promise<void> {
    const { talker } = this.#people
    const n = (this.#serial += 1)
    const here = server.knows(talker)
    const room = await here.creates({ name: `room ${n}` })
    const text = `message ${n}`
    const event = await here.says(room, text, `txn${n}`)
    this.facts.push(async (later) => {
      const there = later.knows(talker)
      const path = `/v3/rooms/${encodeURIComponent(room)}/event/${encodeURIComponent(event)}`
      expect(await there.ok('GET', path)).toMatchObject({ content: { body: text }, sender: talker.userId })
      // Sent again with the same transaction ID it is the same event.
      expect(await there.says(room, text, `txn${n}`)).toBe(event)
    })
  }

  async #name(server: ServerProcess): Promise<void> {
    await this.#counted.name.next((n) => server.knows(this.#people.namer).names(String(n)))
  }

  async #keep(server: ServerProcess): Promise<void> {
    const { keeper } = this.#people
    await this.#counted.data.next((n) => server.knows(keeper).ok('PUT', pathOfData(keeper), { body: { n } }))
    const path = `/v3/user/${encodeURIComponent(keeper.userId)}/filter`
    const filter = { room: { timeline: { limit: this.#counted.data.confirmed } } }
    const { filter_id } = await server.knows(keeper).ok('POST', path, { body: filter })
    this.facts.push(async (later) =>
      expect(await later.knows(keeper).ok('GET', `${path}/${filter_id as string}`)).toEqual(filter),
    )
  }

  async #set(server: ServerProcess): Promise<void> {
    await this.#counted.status.next((n) =>
      server.knows(this.#people.dot).sets(STATES[n % STATES.length] ?? '', String(n)),
    )
  }

  async #upload(server: ServerProcess): Promise<void> {
    const { keys } = this.#people
    await this.#counted.keys.next((n) =>
      server.knows(keys).ok('POST', '/v3/keys/upload', {
        body: { one_time_keys: { [`signed_curve25519:K${n}`]: { key: `k${n}`, signatures: {} } } },
      }),
    )
  }

  async #register(server: ServerProcess): Promise<void> {
    const newcomer = await server.registers(`newcomer${(this.#serial += 1)}`)
    if (newcomer === null) throw new Error('a newcomer was refused')
    this.facts.push(async (later) =>
      expect(await later.knows(newcomer).ok('GET', '/v3/account/whoami')).toMatchObject({
        user_id: newcomer.userId,
        device_id: newcomer.deviceId,
      }),
    )
  }

  /** Logs in at another device, and out again: a token that has ended stays ended. */
  async #log(server: ServerProcess): Promise<void> {
    const { name, password, userId } = this.#people.talker
    const reply = await server.request('POST', '/_matrix/client/v3/login', {
      body: { type: 'm.login.password', identifier: { type: 'm.id.user', user: userId }, password },
    })
    expect(reply.status, reply.text).toBe(200)
    const device = server.actor(name, password, reply.body)
    if ((this.#serial += 1) % 2 === 0) {
      this.facts.push(async (later) => {
        expect((await later.knows(device).request('GET', '/v3/account/whoami')).status).toBe(200)
      })
      return
    }
    await device.ok('POST', '/v3/logout', { body: {} })
    this.facts.push(async (later) => {
      expect((await later.knows(device).request('GET', '/v3/account/whoami')).status).toBe(401)
    })
  }
}

function pathOfData({ userId }: Actor): string {
  return `/v3/user/${encodeURIComponent(userId)}/account_data/dev.adsum.test`
}

function countOf(body: JsonObject): number {
  return (body['one_time_key_counts'] as Record<string, number>)['signed_curve25519'] ?? 0
}

async function serves(folder: string): Promise<ServerProcess> {
  // What is restored stands for one grace: longer than this test may take.
  const config = configFile(folder, { presence: { sync_online_timeout: '1h' } })
  return startProcess(['serve', '--config', config], { cwd: folder })
}

async function person(server: ServerProcess, name: string): Promise<Actor> {
  const actor = await server.registers(name)
  if (actor === null) throw new Error(`${name} was refused`)
  return actor
}

test('P-024 P-151 R-214 kill -9 loses nothing that was answered with 200', async () => {
  const folder = emptyFolder()
  let server = await serves(folder)
  const writers = new Writers({
    talker: await person(server, 'talker'),
    namer: await person(server, 'namer'),
    keeper: await person(server, 'keeper'),
    dot: await person(server, 'dot'),
    keys: await person(server, 'keys'),
  })
  for (const count of KILLED_AFTER) {
    let answers = 0
    await writers.write(server, () => {
      answers += 1
      if (answers === count) void server.ends('SIGKILL')
    })
    expect((await server.ended).signal).toBe('SIGKILL')
    expect(answers).toBeGreaterThanOrEqual(count)
    server = await serves(folder)
    await writers.check(server)
  }
  expect(writers.facts.length).toBeGreaterThan(20)
  // Nothing was damaged on the way either.
  expect((await server.ends('SIGTERM')).code).toBe(0)
}, 240_000)
