import { createHash } from 'node:crypto'
import type { LRUCache } from 'lru-cache'
import type { Clock, Millis } from '../base/clock.ts'
import { createLru } from './lru.ts'
import type { Random } from '../base/random.ts'
import { refuse } from '../matrix/errors.ts'
import { own, ownString, type JsonObject } from '../matrix/json.ts'

const SESSION_BYTES = 18

/** The stages, in any order, that let an operation run; one flow of several is enough. */
export type Flow = readonly string[]

export const DUMMY_FLOWS: readonly Flow[] = [['m.login.dummy']]
export const PASSWORD_FLOWS: readonly Flow[] = [['m.login.password']]

/** Does this `auth` object pass the stage? May throw a refusal of its own. */
export type StageCheck = (auth: JsonObject) => Promise<boolean>

interface UiaRequest {
  /** What the session is good for: method, path, whose, and for device deletion which devices. */
  readonly operation: string
  readonly flows: readonly Flow[]
  /** One for each stage of the flows. */
  readonly stages: Readonly<Record<string, StageCheck>>
  readonly auth: JsonObject | undefined
  /** Asked when a session begins: what of its first request is kept for the last, or null. */
  readonly keep: () => Promise<string | null>
}

/** `challenge`: to be answered with 401. */
export type UiaOutcome =
  | { readonly kind: 'passed'; readonly kept: string | null }
  | { readonly kind: 'challenge'; readonly body: JsonObject }

interface UiaDeps {
  readonly clock: Clock
  readonly random: Random
  /** Unfinished sessions; the one that was used longest ago is forgotten for a new one. */
  readonly sessionsMax: number
  readonly ttlMs: Millis
}

export interface Uia {
  /** User-interactive authentication (ROOMS-SPEC §5.2.1). A session used for another operation is 403. */
  authenticate(request: UiaRequest): Promise<UiaOutcome>
}

interface UiaSession {
  readonly id: string
  /** Hashed: a list of devices may be long. */
  readonly operation: string
  readonly startedTs: Millis
  readonly completed: Set<string>
  readonly kept: string | null
}

/** A stage that everybody passes. */
export const dummyStage: StageCheck = async () => await Promise.resolve(true)

export function createUia(deps: UiaDeps): Uia {
  return new UiaSessions(deps)
}

class UiaSessions implements Uia {
  readonly #deps: UiaDeps
  readonly #sessions: LRUCache<string, UiaSession>

  constructor(deps: UiaDeps) {
    this.#deps = deps
    this.#sessions = createLru(deps.sessionsMax)
  }

  async authenticate(request: UiaRequest): Promise<UiaOutcome> {
    const { auth, flows, operation } = request
    if (auth === undefined) return challenge(flows, await this.#begin(request))
    const id = own(auth, 'session')
    const session = typeof id === 'string' ? this.#find(id) : null
    if (id !== undefined && session === null) return challenge(flows, await this.#begin(request))
    if (session !== null && session.operation !== digest(operation))
      throw refuse.forbidden('This session belongs to another operation')
    if (own(auth, 'type') === undefined) return challenge(flows, session ?? (await this.#begin(request)))
    return await this.#stage(request, auth, session)
  }

  async #stage(request: UiaRequest, auth: JsonObject, session: UiaSession | null): Promise<UiaOutcome> {
    const { flows } = request
    const type = ownString(auth, 'type')
    const check = type !== undefined && flows.flat().includes(type) ? request.stages[type] : undefined
    if (type === undefined || check === undefined)
      return challenge(flows, session ?? (await this.#begin(request)), UNRECOGNIZED)
    if (!(await check(auth))) return challenge(flows, session ?? (await this.#begin(request)), FAILED)
    // Without a session, one stage is all that can be done (§5.2.1 rule 4).
    if (session === null && flows.some((flow) => flow.length === 1 && flow[0] === type))
      return { kind: 'passed', kept: null }
    const going = session ?? (await this.#begin(request))
    going.completed.add(type)
    if (!flows.some((flow) => flow.every((stage) => going.completed.has(stage))))
      return challenge(flows, going)
    // Used up by whoever comes first, if two requests complete it at once.
    if (!this.#sessions.delete(going.id)) return challenge(flows, await this.#begin(request))
    return { kind: 'passed', kept: going.kept }
  }

  async #begin(request: UiaRequest): Promise<UiaSession> {
    const session: UiaSession = {
      id: Buffer.from(this.#deps.random.bytes(SESSION_BYTES)).toString('base64url'),
      operation: digest(request.operation),
      startedTs: this.#deps.clock.now(),
      completed: new Set(),
      kept: await request.keep(),
    }
    this.#sessions.set(session.id, session)
    return session
  }

  #find(id: string): UiaSession | null {
    const session = this.#sessions.get(id)
    if (session === undefined) return null
    if (this.#deps.clock.now() - session.startedTs < this.#deps.ttlMs) return session
    this.#sessions.delete(id)
    return null
  }
}

function digest(operation: string): string {
  return createHash('sha256').update(operation).digest('base64url')
}

const FAILED = { errcode: 'M_FORBIDDEN', error: 'The password is wrong' }
const UNRECOGNIZED = { errcode: 'M_UNRECOGNIZED', error: 'This authentication type is not offered' }

function challenge(flows: readonly Flow[], session: UiaSession, failure: JsonObject = {}): UiaOutcome {
  const body: JsonObject = {
    ...failure,
    flows: flows.map((stages) => ({ stages: [...stages] })),
    params: {},
    session: session.id,
  }
  if (session.completed.size > 0 || failure.errcode !== undefined) body.completed = [...session.completed]
  return { kind: 'challenge', body }
}
