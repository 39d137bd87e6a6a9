import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Listener } from '../http/server.ts'
import { readPage, type Page } from '../http/web/page.ts'
import type { Store } from '../ports/store.ts'
import { PASSWORD_COSTS } from './bounds.ts'
import type { RunningApp, Surroundings } from './cli.ts'
import type { HomeserverDeps } from './compose-homeserver.ts'
import { compose, type Composition } from './compose.ts'
import { openStore } from './open-store.ts'
import type { Config } from './options.ts'
import { loadSigningKey } from './signing-key.ts'

/** A server that runs, with what a test or a gauge may look at. */
export interface App extends RunningApp {
  /** Long polls that wait for something to happen. */
  readonly parked: number
  /** Requests being received, waiting or being answered. */
  readonly inFlight: number
}

interface AppDeps extends Surroundings {
  /** Tests give a store and cheaper passwords of their own. */
  readonly openStore?: (config: Config) => Promise<Store>
  readonly passwordCosts?: HomeserverDeps['passwordCosts']
  /** Where the built page is; null for a server without it. */
  readonly pageFolder?: string | null
}

/** The same distance from the sources and from `dist`. */
const PAGE_FOLDER = fileURLToPath(new URL('../../web/dist', import.meta.url))

/** Opens, restores, listens; in that order, so that nobody is answered by half a server. */
export async function startApp(deps: AppDeps): Promise<App> {
  const { config, random } = deps
  const store = await (deps.openStore ?? openStore)(config)
  let isReady = false
  let composition: Composition | null = null
  try {
    const page = loadPage(deps)
    const signingKey = loadSigningKey({ dataDir: config.dataDir, serverName: config.serverName, random })
    composition = await compose({
      ...deps,
      store,
      signingKey,
      passwordCosts: deps.passwordCosts ?? PASSWORD_COSTS,
      page,
      isReady: () => isReady,
    })
    await composition.listExpiry.begin()
    await composition.listRepeats.begin()
    await composition.neighbours.restore()
    // Before anybody can ask: until it began, nothing that happens to presence is told.
    composition.presence.loop.begin()
    const addresses = await listen(config, composition)
    isReady = true
    composition.neighbours.begin()
    await composition.federation.begin()
    await composition.homeserver.resume()
    const parts = composition
    return running(parts, addresses, page !== null, async () => {
      isReady = false
      await stop(parts)
      await store.close()
    })
  } catch (error) {
    if (composition !== null) await stop(composition)
    await store.close()
    throw error
  }
}

function running(
  composition: Composition,
  addresses: App['addresses'],
  servesPage: boolean,
  close: () => Promise<void>,
): App {
  const { presence, http } = composition
  return {
    addresses,
    servesPage,
    get parked() {
      return presence.wakeups.parked
    },
    get inFlight() {
      return http.inFlight
    },
    close,
  }
}

/** Null, and a warning, if nothing was built: everything else is served all the same. */
function loadPage({ config, log, pageFolder = PAGE_FOLDER }: AppDeps): Page | null {
  if (pageFolder === null || !config.listeners.some(({ resources }) => resources.includes('web'))) return null
  const page = readPage(pageFolder)
  if (page === null)
    log.warn({ folder: pageFolder }, 'there is no roster page at /: "npm run build -w web" builds it')
  return page
}

async function listen(config: Config, { http }: Composition): Promise<RunningApp['addresses']> {
  const addresses = []
  for (const listener of config.listeners) addresses.push(await http.listen(asListener(listener)))
  return addresses
}

function asListener({ port, bind, resources, xForwarded, tls }: Config['listeners'][number]): Listener {
  const pem =
    tls === null ? null : { cert: readFileSync(tls.certFile, 'utf8'), key: readFileSync(tls.keyFile, 'utf8') }
  return { port, bind, resources, xForwarded, tls: pem }
}

/** Answers what waits, then flushes; users are not marked offline (PRESENCE-SPEC §4.8). */
async function stop(composition: Composition): Promise<void> {
  const { http, presence, homeserver, listExpiry, listRepeats, neighbours, federation } = composition
  // First, so that the last answers say that nobody is typing any more.
  homeserver.reading.typing.endAll()
  presence.wakeups.close()
  await http.close()
  await listExpiry.close()
  await listRepeats.close()
  await federation.close()
  await neighbours.close()
  presence.loop.stop()
  await homeserver.close()
  await presence.persist.close()
}
