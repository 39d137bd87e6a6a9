import {
  decodeListEdu,
  decodePresenceEdu,
  listEduKind,
  EDU_BYTES_MAX,
  PRESENCE_EDU_TYPE,
  presenceEntries,
  type ListEduKind,
} from '../matrix/edu.ts'
import { MatrixError } from '../matrix/errors.ts'
import type { ServerName } from '../matrix/ids.ts'
import { isJsonObject, own, ownString, type Json } from '../matrix/json.ts'
import type { EduSinks } from '../ports/edus.ts'
import type { Log } from '../ports/log.ts'
import type { ObserveFederation } from './observe.ts'

/** The EDUs of a transaction. */
export interface InboundEdus {
  /**
   * In the order of the list (P-181), each alone: a bad one is logged and skipped, an unknown one skipped.
   *
   * @throws what kept a list EDU from becoming durable, after all others were looked at: the transaction is to come again
   */
  receive(origin: ServerName, edus: readonly Json[]): Promise<void>
}

/** What an EDU takes of its sender's allowance: the entries of `m.presence` one each, others one. */
export function eduCost(edu: Json): number {
  if (!isJsonObject(edu) || own(edu, 'edu_type') !== PRESENCE_EDU_TYPE) return 1
  return presenceEntries(own(edu, 'content'))
}

export function createInboundEdus(deps: {
  readonly serverName: ServerName
  readonly sinks: Pick<EduSinks, 'presence' | 'list'>
  readonly log: Pick<Log, 'debug' | 'error'>
  readonly observe: ObserveFederation
  readonly statusMsgBytesMax: number
}): InboundEdus {
  const { serverName, sinks, log, observe } = deps

  const receivePresence = (origin: ServerName, content: Json | undefined): Outcome => {
    const { push, poll, unpoll, skipped } = decodePresenceEdu(content, origin, deps)
    try {
      sinks.presence(origin, { push, poll, unpoll })
    } catch (err) {
      // Coming again would not mend it, and would hold up everything behind.
      log.error({ err, origin }, 'presence of another server could not be taken')
    }
    return skipped > 0 ? { kind: 'left out', reason: 'entries were no good' } : TAKEN
  }
  const receiveList = async (
    origin: ServerName,
    kind: ListEduKind,
    content: Json | undefined,
  ): Promise<Outcome> => {
    const decoded = decodeListEdu(kind, content, { origin, serverName })
    if (decoded.kind === 'refused') return { kind: 'left out', reason: decoded.reason }
    try {
      await sinks.list(origin, decoded.edu)
      return TAKEN
    } catch (fault) {
      if (fault instanceof MatrixError) return { kind: 'left out', reason: fault.message }
      return { kind: 'failed', fault }
    }
  }
  const receiveOne = async (origin: ServerName, edu: Json): Promise<Outcome> => {
    const type = isJsonObject(edu) ? ownString(edu, 'edu_type') : undefined
    if (!isJsonObject(edu) || type === undefined) return { kind: 'left out', reason: 'it is not an EDU' }
    if (Buffer.byteLength(JSON.stringify(edu)) > EDU_BYTES_MAX)
      return { kind: 'left out', reason: 'it is too large' }
    const content = own(edu, 'content')
    if (type === PRESENCE_EDU_TYPE) return receivePresence(origin, content)
    const kind = listEduKind(type)
    return kind === null
      ? { kind: 'left out', reason: 'its type is unknown' }
      : receiveList(origin, kind, content)
  }

  return {
    async receive(origin, edus) {
      const reasons = new Map<string, number>()
      const faults: unknown[] = []
      for (const edu of edus) {
        const outcome = await receiveOne(origin, edu)
        observe({ kind: 'edu received', type: knownType(edu), outcome: outcome.kind })
        if (outcome.kind === 'left out') reasons.set(outcome.reason, (reasons.get(outcome.reason) ?? 0) + 1)
        else if (outcome.kind === 'failed') faults.push(outcome.fault)
      }
      if (reasons.size > 0) log.debug({ origin, reasons: Object.fromEntries(reasons) }, 'EDUs were left out')
      if (faults.length > 0) throw faults[0]
    },
  }
}

/** Others may send any type. */
function knownType(edu: Json): string {
  const type = isJsonObject(edu) ? (ownString(edu, 'edu_type') ?? '') : ''
  return type === PRESENCE_EDU_TYPE || listEduKind(type) !== null ? type : 'other'
}

type Outcome =
  | { readonly kind: 'taken' }
  /** The EDU, or a part of it. */
  | { readonly kind: 'left out'; readonly reason: string }
  /** It is not durable. */
  | { readonly kind: 'failed'; readonly fault: unknown }

const TAKEN: Outcome = { kind: 'taken' }
