import { serverOf, type ServerName } from '../matrix/ids.ts'
import type { EduSources, WaitingListEdu } from '../ports/edus.ts'
import type { Store, Write } from '../ports/store.ts'

/** Answers that lie ready for one server and without which nothing here is wrong; who asks for more is not answered. */
export const MERE_ANSWERS_MAX = 1_000
/** Servers whose answers are counted; beyond it they are counted anew. */
const COUNTED_SERVERS_MAX = 10_000

/** List EDUs that wait for their servers, each the newest of its pair, in the store until a 200 (PRESENCE-SPEC §5.5). */
export interface ListOutbox extends Pick<EduSources, 'listEdus' | 'listEdusSent' | 'listServers'> {
  /**
   * May one more answer lie ready for this server that changes nothing here: a deny to who asks for unknown users, a withdraw
   * to who accepts what nobody asked? They have no other bound than how many users a server makes up. True counts it in.
   */
  takesMereAnswer(server: ServerName): Promise<boolean>
}

export interface ListOutboxDeps {
  readonly store: Pick<Store, 'commit' | 'listOutbox' | 'listOutboxServers'>
  readonly serverName: ServerName
}

export function createListOutbox({ store, serverName }: ListOutboxDeps): ListOutbox {
  /** How many lie ready, or a few fewer; who is not here has not been counted since the last acknowledgement. */
  const waiting = new Map<ServerName, number>()

  return {
    async listEdus(server, limit) {
      const rows = await store.listOutbox(server, limit)
      return rows.map(({ kind, observer, observed, ask, pos }) => ({ kind, observer, observed, ask, pos }))
    },

    async listEdusSent(edus) {
      if (edus.length === 0) return
      await store.commit(edus.map(dropOf))
      for (const edu of edus) waiting.delete(otherServer(edu, serverName))
    },

    listServers: () => store.listOutboxServers(),

    async takesMereAnswer(server) {
      const known = waiting.get(server) ?? (await store.listOutbox(server, MERE_ANSWERS_MAX)).length
      if (waiting.size >= COUNTED_SERVERS_MAX && !waiting.has(server)) waiting.clear()
      const isTaken = known < MERE_ANSWERS_MAX
      waiting.set(server, known + (isTaken ? 1 : 0))
      return isTaken
    },
  }
}

/** The very row: what replaced it meanwhile has another position. */
function dropOf({ observer, observed, pos }: WaitingListEdu): Write {
  return { drop: 'listOutbox', where: { observer, observed, pos } }
}

function otherServer({ observer, observed }: WaitingListEdu, serverName: ServerName): ServerName {
  return serverOf(serverOf(observer) === serverName ? observed : observer)
}
