import { expect } from 'vitest'
import type { JsonObject } from '../../src/matrix/json.ts'
import type { Actor } from './actors.ts'
import type { WireEdu } from './faulty-link.ts'
import type { FederationHouse } from './federation-house.ts'
import type { HostileServer } from './hostile-server.ts'
import { Follower } from './lists.ts'
import type { TestServer } from './server.ts'

const ASK = 'dev.adsum.presence_lists.ask'
export const WITHDRAW = 'dev.adsum.presence_lists.withdraw'

/** A user of a peer, and a server whose users they have to do with. */
export class Outsider {
  readonly userId: string
  readonly #peer: HostileServer
  readonly #server: TestServer

  constructor(name: string, peer: HostileServer, server: TestServer) {
    this.userId = `@${name}:${peer.name}`
    this.#peer = peer
    this.#server = server
  }

  /** They may see the actor from now on. */
  async follows(actor: Actor, house: FederationHouse): Promise<void> {
    await this.#says(listEdu('invite', this.userId, actor.userId))
    const reply = await new Follower(actor).accepts({ userId: this.userId } as Actor)
    expect(reply.status, reply.text).toBe(200)
    await house.quiet()
  }

  /** The actor may see them from now on. */
  async isFollowedBy(actor: Actor, house: FederationHouse): Promise<void> {
    await new Follower(actor).invites(this.userId)
    await house.quiet()
    const asking = this.#peer
      .edus('m.presence_invite')
      .findLast(
        ({ content }) =>
          content['observed_user'] === this.userId && content['observer_user'] === actor.userId,
      )
    await this.#says({ edu_type: 'm.presence_accept', content: asking?.content ?? {} })
    await house.quiet()
    expect(await new Follower(actor).follows()).toContain(this.userId)
  }

  async pushes(push: JsonObject): Promise<void> {
    await this.#says(presenceEdu({ push: [{ user_id: this.userId, last_active_ago: 0, ...push }] }))
  }

  async #says(...edus: readonly WireEdu[]): Promise<void> {
    const reply = await this.#peer.says(this.#server, edus)
    expect([reply.status, reply.body]).toEqual([200, { pdus: {} }])
  }
}

export function presenceEdu(content: JsonObject): WireEdu {
  return { edu_type: 'm.presence', content }
}

const TYPES = {
  invite: 'm.presence_invite',
  accept: 'm.presence_accept',
  deny: 'm.presence_deny',
  withdraw: WITHDRAW,
} as const

export function listEdu(kind: keyof typeof TYPES, observer: string, observed: string, ask?: number): WireEdu {
  const content = {
    observed_user: observed,
    observer_user: observer,
    ...(ask !== undefined && { [ASK]: ask }),
  }
  return { edu_type: TYPES[kind], content }
}
