import { ManualClock, settle } from '../../../test/support/manual-clock.ts'
import type { PresenceClient } from '../client.ts'
import { createPresenceClient, type CreateOptions } from '../create.ts'
import { IdleTimer } from '../idle-timer.ts'
// Loaded before, so that no story waits for a file.
import '../lists.ts'
import { FakeServer, OWN_ID } from './fake-server.ts'
import { FakeWindow } from './fake-tabs.ts'

/** What Adsum advertises. */
export const ADSUM = {
  'dev.adsum.presence_lists': true,
  'dev.adsum.hidden': true,
  'dev.adsum.free_for_chat': true,
  'org.matrix.msc3026.busy_presence': true,
}

export interface Story {
  readonly clock: ManualClock
  readonly server: FakeServer
  readonly client: PresenceClient
  /** What a person touches. */
  readonly window: FakeWindow
}

/** A client that was started against a scripted server, with an idle timer of three minutes, and has had its first sync. */
export async function begins(
  options: Partial<CreateOptions> & {
    readonly flags?: Record<string, boolean>
    readonly clock?: ManualClock
    readonly before?: (server: FakeServer) => void
  } = {},
): Promise<Story> {
  const { clock = new ManualClock(), flags = {}, before, ...rest } = options
  const server = new FakeServer(clock)
  server.flags = flags
  before?.(server)
  const window = new FakeWindow()
  const idle = new IdleTimer({ clock, target: window, channel: null, locks: null, isVisible: () => true })
  const client = createPresenceClient({
    baseUrl: 'https://hs.example/',
    accessToken: 'token',
    userId: OWN_ID,
    fetch: server.fetch,
    clock,
    random: () => 0.5,
    storage: null,
    channel: () => null,
    idle,
    ...rest,
  })
  client.start()
  await settle()
  return { clock, server, client, window }
}
