import { refuse } from '../matrix/errors.ts'
import type { UserId } from '../matrix/ids.ts'
import { UNKNOWN_PRESENCE, type ShownPresence } from '../matrix/presence.ts'
import type { Requester } from '../ports/directory.ts'
import type { PresenceReport } from '../ports/submit.ts'
import type { Loop } from './loop.ts'
import type { Persist } from './persist.ts'

export interface Presence {
  /**
   * `PUT status`: durable when it resolves (DESIGN §3.8).
   *
   * @throws MatrixError 403 M_FORBIDDEN for anybody's presence but one's own, before any look-up (P-015);
   *   413 M_TOO_LARGE for a text over its limit (P-022). Nothing changed then (P-023).
   */
  set(requester: Requester, userId: UserId, report: PresenceReport): Promise<void>
  /**
   * What the requester may see of the user; null if nothing, for whatever reason (P-034 to P-036). One's own is always
   * there (P-031), and while presence is off everybody is offline (P-029).
   */
  get(requester: Requester, userId: UserId): ShownPresence | null
}

export interface PresenceDeps {
  readonly enabled: boolean
  readonly loop: Pick<Loop, 'report' | 'view'>
  readonly persist: Pick<Persist, 'flush'>
  /** UTF-8. */
  readonly statusMsgBytesMax: number
}

export function createPresence({ enabled, loop, persist, statusMsgBytesMax }: PresenceDeps): Presence {
  return {
    async set(requester, userId, report) {
      if (userId !== requester.userId) throw refuse.forbidden('You cannot set the presence of another user')
      const { status } = report
      if (status.kind === 'set' && Buffer.byteLength(status.text) > statusMsgBytesMax)
        throw refuse.tooLarge(`"status_msg" is longer than ${statusMsgBytesMax} bytes`)
      if (!enabled) return
      loop.report(userId, requester.deviceId, report)
      await persist.flush()
    },

    get(requester, userId) {
      if (!enabled) return UNKNOWN_PRESENCE
      const view = loop.view(requester.userId, userId)
      if (view !== null) return view
      return userId === requester.userId ? UNKNOWN_PRESENCE : null
    },
  }
}
