import { listEduBody, presenceEduBody, pushBody, type EduEnds, type PeerWords } from '../matrix/edu-bodies.ts'
import { EDU_BYTES_MAX, EDUS_MAX, PUSH_MAX, type PresencePush } from '../matrix/edu.ts'
import type { UserId } from '../matrix/ids.ts'
import type { JsonObject } from '../matrix/json.ts'
import type { WaitingListEdu } from '../ports/edus.ts'

/** EDUs of one transaction together. Servers take more, but one that fails makes us keep it. */
export const TRANSACTION_BYTES_MAX = 262_144
/** Users asked for at once: more would hardly ever fit. */
export const USERS_MAX = 1_000

/** An EDU with what is to be done about it afterwards. */
export interface OutgoingEdu {
  readonly body: JsonObject
  readonly bytes: number
  /** Users of whom it speaks. */
  readonly users: readonly UserId[]
  /** Null if it is presence. */
  readonly list: WaitingListEdu | null
}

/** Written once; a repeat has the same ID and the same content (P-162). */
export interface Transaction {
  readonly txnId: string
  readonly edus: readonly OutgoingEdu[]
  readonly content: JsonObject
  readonly bytes: number
}

/** What a transaction is to say. */
export interface Material {
  readonly lists: readonly WaitingListEdu[]
  readonly push: readonly PresencePush[]
  readonly polls: ReadonlyMap<UserId, boolean>
}

export interface Written {
  readonly edus: readonly OutgoingEdu[]
  /** What had no room. */
  readonly left: Material
}

/**
 * List EDUs first, in their order: the presence that an accept announces comes after it (P-190). Then presence in as few EDUs as
 * hold it, polls along with pushes.
 */
export function writeEdus({ lists, push, polls }: Material, ends: EduEnds, peer: PeerWords): Written {
  const edus: OutgoingEdu[] = []
  let bytes = 0
  const hasRoom = (more: number): boolean => edus.length < EDUS_MAX && bytes + more <= TRANSACTION_BYTES_MAX
  const add = (edu: OutgoingEdu): void => {
    edus.push(edu)
    bytes += edu.bytes
  }
  const listsLeft = [...lists]
  for (let list = listsLeft[0]; list !== undefined; list = listsLeft[0]) {
    const edu = listEdu(list, ends)
    if (!hasRoom(edu.bytes)) break
    add(edu)
    listsLeft.shift()
  }
  const presence = new PresencePacker(push, polls)
  while (!presence.isEmpty && hasRoom(EDU_BYTES_MAX)) add(presence.next(ends, peer))
  return { edus, left: { lists: listsLeft, ...presence.left } }
}

export function transactionOf(
  txnId: string,
  edus: readonly OutgoingEdu[],
  { origin, now }: { readonly origin: string; readonly now: number },
): Transaction {
  const content = { origin, origin_server_ts: now, pdus: [], edus: edus.map(({ body }) => body) }
  return { txnId, edus, content, bytes: edus.reduce((sum, edu) => sum + edu.bytes, 0) }
}

function listEdu(list: WaitingListEdu, ends: EduEnds): OutgoingEdu {
  const body = listEduBody(list, ends)
  return { body, bytes: bytesOf(body), users: [], list }
}

/** Cuts presence into EDUs within the bounds. */
class PresencePacker {
  readonly #push: PresencePush[]
  readonly #polls: [UserId, boolean][]

  constructor(push: readonly PresencePush[], polls: ReadonlyMap<UserId, boolean>) {
    this.#push = [...push]
    this.#polls = [...polls]
  }

  get isEmpty(): boolean {
    return this.#push.length === 0 && this.#polls.length === 0
  }

  get left(): Pick<Material, 'push' | 'polls'> {
    return { push: this.#push, polls: new Map(this.#polls) }
  }

  /** Takes at least one entry, so that it ends; no entry comes near the bound. */
  next(ends: EduEnds, peer: PeerWords): OutgoingEdu {
    let room =
      EDU_BYTES_MAX -
      bytesOf(presenceEduBody({ push: [], poll: ['' as UserId], unpoll: ['' as UserId] }, ends, peer))
    const fits = (entry: JsonObject | string): boolean => {
      room -= bytesOf(entry) + 1
      return room >= 0
    }
    const push = takeWhile(this.#push, (entry, count) => count < PUSH_MAX && fits(pushBody(entry, peer)))
    const polls = room < 0 ? [] : takeWhile(this.#polls, ([userId]) => fits(userId))
    const wanted = (wish: boolean): UserId[] =>
      polls.flatMap(([userId, isWanted]) => (isWanted === wish ? [userId] : []))
    const body = presenceEduBody({ push, poll: wanted(true), unpoll: wanted(false) }, ends, peer)
    return { body, bytes: bytesOf(body), users: push.map(({ userId }) => userId), list: null }
  }
}

/** Removes and returns the first elements for which it holds. */
function takeWhile<T>(from: T[], holds: (element: T, count: number) => boolean): T[] {
  const end = from.findIndex((element, index) => !holds(element, index))
  return from.splice(0, end === -1 ? from.length : end)
}

/** Of the canonical form: the order of keys is no matter of length. */
function bytesOf(json: JsonObject | string): number {
  return Buffer.byteLength(JSON.stringify(json))
}
