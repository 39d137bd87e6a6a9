import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { buildPage } from '../../scripts/page.ts'
import type { Actor } from '../support/actors.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { isWithoutChromium, launchChromium } from './chromium.ts'
import { expectAccessible, Person, timePasses } from './roster-page.ts'

const MINUTE = 60_000

describe.skipIf(isWithoutChromium())('two people at the roster page', () => {
  const folder = mkdtempSync(join(tmpdir(), 'adsum-roster-'))
  let server: TestServer
  let browser: Browser
  let alice: Person
  let bob: Person
  /** Somebody without a browser. */
  let carol: Actor
  let secondTab: Page

  beforeAll(async () => {
    expect(buildPage(folder)).toBe(true)
    server = await startServer({ pageFolder: folder, config: { presence: { busy: true } } })
    browser = await launchChromium()
    carol = await server.registers('carol')
    alice = await Person.arrives(browser, server, 'alice')
    bob = await Person.arrives(browser, server, 'bob')
  })

  afterAll(async () => {
    await browser?.close()
    await server?.close()
    rmSync(folder, { recursive: true, force: true })
  })

  test('the door says what is wrong, and lets in whoever makes an account', async () => {
    await alice.presses('Sign in')
    await alice.reads('Both a name and a password are needed.')
    await alice.fillsIn({ Name: 'carol', Password: 'guessed' })
    await alice.presses('Sign in')
    await alice.reads('The name or the password is wrong.')
    await expectAccessible(alice.page)
    await alice.presses('Make an account')
    await alice.presses('Make an account')
    await alice.reads('Somebody has that name already.')
    await alice.page.reload()
    await alice.makesAccount()
    await bob.makesAccount()
    await alice.isShown('Online')
    await alice.reads('Nobody to see yet.')
  })

  test('P-062 what cannot be asked is said at once, and who does not exist when the server has answered', async () => {
    await alice.asks('alice')
    await alice.reads('That is you.')
    await alice.asks('@bob smith:home.example')
    await alice.reads('A user ID has no spaces in it.')
    await alice.asks('nobody')
    await alice.reads('@nobody:home.example said no, or does not exist.')
    await alice.seesNothingOf({ userId: '@nobody:home.example' })
  })

  test('P-056 P-058 P-069 an invite arrives live, is accepted and returned; both see each other', async () => {
    await alice.asks('bob')
    await alice.reads('@bob:home.example is asked.')
    await alice.section('Asked, not answered yet').locator('[data-user="@bob:home.example"]').waitFor()
    const inbox = bob.section('Somebody asks to see you')
    await inbox.getByText('@alice:home.example').waitFor()
    await expectAccessible(bob.page)
    await bob.presses('Accept and add back: alice', inbox)
    await alice.sees(bob, 'Online')
    await alice.presses('Accept: bob', alice.section('Somebody asks to see you'))
    await bob.sees(alice, 'Online')
    await inbox.waitFor({ state: 'detached' })
    await bob.section('People who can see you').getByText('@alice:home.example').waitFor()
    await bob.section('On your list').getByText('active now').waitFor()
  })

  test('P-082 a status text is set, shown as text, and cleared', async () => {
    const text = '<img src=x onerror="document.title=1"> & tea'
    await alice.says(text)
    await bob.row(alice).getByText(text, { exact: true }).waitFor()
    expect(await bob.row(alice).locator('img:not([role])').count()).toBe(0)
    await alice.presses('Clear')
    await bob.row(alice).locator('.status-text').waitFor({ state: 'detached' })
    await alice.context.clock.runFor(5_000)
  })

  test('P-113 a name is shown as text too, and changes live', async () => {
    const name = '<b>Bob</b> \u202etpircs'
    await (await bob.actor()).names(name)
    await alice.row(bob).getByText(name, { exact: true }).waitFor()
    await bob.page.locator('.own h2').getByText(name, { exact: true }).waitFor()
  })

  test('each state shows in its own shape; busy and free to chat too', async () => {
    const shapes = new Set<string>()
    const seen = { Online: 'Online', 'Free to chat': 'Online', Busy: 'Busy', Idle: 'Idle' } as const
    for (const [state, shown] of Object.entries(seen)) {
      await alice.chooses(state as keyof typeof seen)
      await alice.isShown(state as keyof typeof seen)
      await bob.sees(alice, shown)
      shapes.add(await alice.page.locator('.own-head .dot').innerHTML())
    }
    await alice.chooses('Online')
    await bob.sees(alice, 'Online')
    expect(shapes.size).toBe(4)
  })

  test('P-205 who touches nothing for three minutes is shown idle, and is back at a touch', async () => {
    await bob.touches()
    await alice.touches()
    await timePasses(server, [alice, bob], 2 * MINUTE)
    await bob.touches()
    await timePasses(server, [alice, bob], MINUTE + 5_000)
    await bob.sees(alice, 'Idle')
    await alice.isShown('Idle')
    await alice.reads('You have been away')
    await alice.sees(bob, 'Online')
    await bob
      .row(alice)
      .getByText(/^active (?!now)/)
      .waitFor()
    await alice.touches()
    await bob.sees(alice, 'Online')
    await alice.isShown('Online')
  })

  test('"active … ago" ages without a request', async () => {
    await alice.asks(carol.userId)
    await alice.reads(`${carol.userId} is asked.`)
    await carol.ok('POST', `${LISTS}/invites/${alice.userId}/accept`, { body: {} })
    await carol.sets('online')
    await alice.sees(carol, 'Online')
    await bob.touches()
    await alice.touches()
    await timePasses(server, [alice, bob], MINUTE + 30_000)
    await alice.sees(carol, 'Offline')
    await alice.row(carol).getByText('active 1 min ago').waitFor()
    const before = server.requests.length
    await alice.context.clock.runFor(25_000)
    await alice.context.clock.runFor(10_000)
    await alice.row(carol).getByText('active 2 min ago').waitFor()
    expect(server.requests.slice(before)).toEqual([])
  })

  test('P-111 P-112 whoever hides is offline for others, knows it, and still sees them', async () => {
    await alice.touches()
    await bob.touches()
    await alice.chooses('Hidden')
    await alice.isShown('Hidden')
    await bob.sees(alice, 'Offline')
    await alice.sees(bob, 'Online')
    await expectAccessible(alice.page)
    await alice.page.reload()
    await alice.isShown('Hidden')
    await alice.chooses('Online')
    await bob.sees(alice, 'Online')
  })

  test('two tabs of one person share what they do, and do not fight', async () => {
    const flips: string[] = []
    await watchesFlips(bob, alice, flips)
    secondTab = await alice.opensTab()
    await alice.isShown('Online', secondTab)
    await timePasses(server, [alice, bob], 2 * MINUTE, 3)
    // Somebody works in the second tab; the first is not touched.
    await alice.touches(secondTab)
    await bob.touches()
    await timePasses(server, [alice, bob], 2 * MINUTE, 3)
    await alice.isShown('Online')
    await bob.sees(alice, 'Online')
    expect(flips).toEqual([])
    // Now nobody is there.
    await bob.touches()
    await timePasses(server, [alice, bob], 2 * MINUTE, 3)
    await bob.sees(alice, 'Idle')
    await alice.isShown('Idle')
    await alice.isShown('Idle', secondTab)
    await timePasses(server, [alice, bob], MINUTE, 3)
    expect(flips).toEqual(['Idle'])
    await alice.touches(secondTab)
    await bob.sees(alice, 'Online')
    await alice.isShown('Online')
    expect(flips).toEqual(['Idle', 'Online'])
  })

  test('what is chosen in one tab stands in the other', async () => {
    await alice.chooses('Busy')
    await alice.isShown('Busy', secondTab)
    await bob.sees(alice, 'Busy')
    await alice.says('two tabs')
    await expect.poll(() => secondTab.getByLabel('Status text').inputValue()).toBe('two tabs')
    await alice.chooses('Online')
    await bob.sees(alice, 'Online')
    await secondTab.close()
  })

  test('a lost server makes everyone unknown, and comes back by itself', async () => {
    await server.stops()
    await alice.context.clock.runFor(15_000)
    await alice.reads('The server cannot be reached.')
    await alice.sees(bob, 'Unknown')
    await alice.isShown('Unknown')
    await expectAccessible(alice.page)
    await server.starts()
    for (const person of [alice, bob]) await person.touches()
    await alice.context.clock.runFor(60_000)
    await bob.context.clock.runFor(60_000)
    await alice.page.getByText('The server cannot be reached.').first().waitFor({ state: 'detached' })
    await alice.sees(bob, 'Online')
    await bob.sees(alice, 'Online')
    await bob.row(alice).getByText('two tabs').waitFor()
  })

  test('P-059 a denied invite is gone, an ignored one does not come back', async () => {
    await asks(carol, bob)
    const inbox = bob.section('Somebody asks to see you')
    await bob.presses('Deny: carol', inbox)
    await inbox.waitFor({ state: 'detached' })
    await asks(carol, bob)
    await bob.presses('Ignore: carol', inbox)
    await inbox.waitFor({ state: 'detached' })
    await asks(carol, bob)
    expect(await outgoing(carol)).toEqual([])
    await bob.page.reload()
    await bob.sees(alice, 'Online')
    expect(await inbox.count()).toBe(0)
  })

  test('the policy decides without asking', async () => {
    const dave = await server.registers('dave')
    const policy = alice.page.getByLabel('What to do')
    await policy.selectOption('accept everyone')
    await alice.reads('Saved')
    await asks(dave, alice)
    await alice.section('People who can see you').getByText(dave.userId).waitFor()
    await alice.page.reload()
    await expect.poll(() => policy.inputValue()).toBe('accept_all')
    await dave.sees(await alice.actor(), 'online')
  })

  test('P-061 who is revoked sees nothing any more, and only at the second press', async () => {
    const observers = bob.section('People who can see you')
    await bob.presses('Revoke: alice', observers)
    await alice.sees(bob, 'Online')
    await bob.presses('Really revoke?: alice', observers)
    await observers.getByText('You have not accepted anybody.').waitFor()
    await alice.seesNothingOf(bob)
    await bob.sees(alice, 'Online')
  })

  test('who is taken off the list is gone from it', async () => {
    await bob.row(alice).hover()
    await bob.presses('Remove: alice', bob.row(alice))
    await bob.presses('Really remove?: alice', bob.row(alice))
    await bob.seesNothingOf(alice)
    expect(await outgoing(await bob.actor())).toEqual([])
  })

  test('who shares a room stands under rooms, and can be asked', async () => {
    const roomId = await (await alice.actor()).creates({ preset: 'public_chat' })
    await (await bob.actor()).joins(roomId)
    const rooms = alice.section('From shared rooms')
    await rooms.locator(`[data-user="${bob.userId}"]`).getByRole('img', { name: 'Online' }).waitFor()
    await bob.sees(alice, 'Online')
    await alice.row(bob).hover()
    await rooms.getByRole('button', { name: /^Add to list/ }).click()
    await bob.section('Somebody asks to see you').getByText(alice.userId).waitFor()
    await rooms.getByRole('button', { name: /^Withdraw/ }).waitFor()
  })

  test('everything is done by keyboard', async () => {
    const { keyboard } = bob.page
    await bob.page.getByRole('radio', { name: 'Online' }).focus()
    await keyboard.press('ArrowRight')
    await bob.isShown('Free to chat')
    await keyboard.press('Tab')
    await keyboard.type('by hand')
    await keyboard.press('Enter')
    await bob.context.clock.runFor(10_000)
    await alice.row(bob).getByText('by hand').waitFor()
    await bob.page.getByRole('button', { name: /^Deny/ }).focus()
    await keyboard.press('Enter')
    await expect
      .poll(() => bob.page.evaluate(() => document.activeElement?.textContent))
      .toBe('Who is around')
  })

  test('a reader is told who comes and goes, once', async () => {
    await alice.context.clock.runFor(5_000)
    await carol.sets('online', 'hello')
    await alice.page.getByRole('status').getByText('carol: Online.').waitFor()
  })

  test('signing out in one tab does so in all, ends the login, and others see it at once', async () => {
    const actor = await bob.actor()
    const tab = await bob.opensTab()
    await bob.presses('Sign out', tab)
    await bob.page.getByRole('button', { name: 'Sign in' }).waitFor()
    await alice.sees(bob, 'Offline')
    expect((await actor.request('GET', '/v3/account/whoami')).status).toBe(401)
    expect(await bob.page.evaluate(() => localStorage.getItem('adsum-session'))).toBeNull()
  })

  test('a login that was ended elsewhere leads back to the door', async () => {
    await (await alice.actor()).ok('POST', '/v3/logout/all')
    await alice.reads('This login has ended. Sign in again.')
    await alice.fillsIn({ Name: 'alice', Password: "alice's password" })
    await alice.presses('Sign in')
    await alice.page.getByRole('heading', { name: 'Who is around' }).waitFor()
  })

  test('the browser had nothing to complain of, and no request went elsewhere', () => {
    expect([...alice.complaints, ...bob.complaints]).toEqual([])
    expect([...alice.strayed, ...bob.strayed]).toEqual([])
    expect(server.complaints).toEqual([])
  })
})

/** Below `/_matrix/client`. */
const LISTS = '/unstable/dev.adsum.presence_lists'

async function asks(observer: Actor, { userId }: { readonly userId: string }): Promise<void> {
  const path = `${LISTS}/presence/list/${observer.userId}`
  await observer.ok('POST', path, { body: { invite: [userId] } })
}

async function outgoing(observer: Actor): Promise<unknown> {
  return (await observer.ok('GET', `${LISTS}/invites`))['outgoing']
}

/** Notes in `flips` which states Bob's page shows Alice in from now on, each once until it changes. */
async function watchesFlips(bob: Person, alice: Person, flips: string[]): Promise<void> {
  await bob.page.exposeFunction('flipped', (state: string) => void flips.push(state))
  await bob.row(alice).evaluate((row) => {
    const look = (): string => row.querySelector('.dot')?.getAttribute('aria-label') ?? ''
    let shown = look()
    new MutationObserver(() => {
      if (look() === shown) return
      shown = look()
      ;(globalThis as never as { flipped: (state: string) => void }).flipped(shown)
    }).observe(row, { subtree: true, childList: true, attributes: true })
  })
}
