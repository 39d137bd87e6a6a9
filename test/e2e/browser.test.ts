import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { extname, join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { build } from 'vite'
import { afterAll, beforeAll, describe, test } from 'vitest'
import type { Actor } from '../support/actors.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { isWithoutChromium, launchChromium } from './chromium.ts'
import { expectCalm, passes, requestsInOneMinute } from './support.ts'

const CONTENT_TYPES: Record<string, string> = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.wasm': 'application/wasm',
}

/** Bundles the page and serves it from an origin of its own, as a web client would be: CORS is real. */
async function servePage(folder: string): Promise<Server> {
  await build({
    root: new URL('./page', import.meta.url).pathname,
    logLevel: 'error',
    build: { outDir: folder, emptyOutDir: true, target: 'esnext', minify: false },
  })
  const server = createServer((request, response) => {
    const path = join(folder, request.url === '/' ? 'index.html' : (request.url ?? ''))
    const found = existsSync(path)
    response.writeHead(found ? 200 : 404, {
      'content-type': CONTENT_TYPES[extname(path)] ?? 'application/octet-stream',
    })
    response.end(found ? readFileSync(path) : '')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return server
}

describe.skipIf(isWithoutChromium())('a browser page with matrix-js-sdk', () => {
  const folder = mkdtempSync(join(tmpdir(), 'adsum-page-'))
  let server: TestServer
  let pages: Server
  let browser: Browser
  let page: Page
  let alice: Actor
  let bob: Actor
  let roomId: string

  const shows = (text: string): Promise<unknown> =>
    page.waitForFunction((wanted) => document.body.innerText.includes(wanted), text, { timeout: 30_000 })

  beforeAll(async () => {
    server = await startServer()
    pages = await servePage(folder)
    browser = await launchChromium()
    page = await browser.newPage()
    alice = await server.registers('alice')
    bob = await server.registers('bob')
    roomId = await alice.creates({ preset: 'public_chat' })
    await bob.joins(roomId)
    await alice.syncs()
  })

  afterAll(async () => {
    await browser?.close()
    pages?.close()
    await server?.close()
    rmSync(folder, { recursive: true, force: true })
  })

  test('P-011 R-103 logs in from another origin and shows who is there', async () => {
    await page.goto(`http://127.0.0.1:${(pages.address() as AddressInfo).port}/`)
    await page.evaluate(
      ([url, password]) =>
        (globalThis as never as { page: { start: (...a: string[]) => Promise<void> } }).page.start(
          url as string,
          'bob',
          password as string,
        ),
      [server.url, bob.password],
    )
    await shows(`${alice.userId} | online`)
  })

  test('P-082 P-117 status text and a rename show', async () => {
    await alice.sets('online', 'mad as a hatter')
    await shows('mad as a hatter')
    await alice.names('Alice Liddell')
    await shows('Alice Liddell | online')
  })

  test('R-197 a message shows', async () => {
    await alice.says(roomId, 'Who stole the tarts?')
    await shows('Who stole the tarts?')
  })

  test('P-095 the page itself is seen online, goes idle by set_presence, and comes back', async () => {
    await alice.sees(bob, 'online')
    const setPresence = (state: string): Promise<void> =>
      page.evaluate(
        (wanted) =>
          (
            globalThis as never as { page: { setPresence: (state: string) => Promise<void> } }
          ).page.setPresence(wanted),
        state,
      )
    await setPresence('unavailable')
    await passes(server, 30_000, 1)
    await alice.sees(bob, 'unavailable')
    await setPresence('online')
    await passes(server, 30_000, 1)
    await alice.sees(bob, 'online')
  })

  test('R-215 an idle minute causes no request storm', async () => {
    await server.parked(1)
    expectCalm(await requestsInOneMinute(server, 1), 1)
  })

  test('P-132 P-134 idle and offline show', async () => {
    await passes(server, 6 * 60_000, 1)
    await shows('Alice Liddell | offline')
    await page.close()
    await passes(server, 60_000, 0)
    await alice.sees(bob, 'offline')
  })
})
