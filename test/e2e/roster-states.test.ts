import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { buildPage } from '../../scripts/page.ts'
import type { Actor } from '../support/actors.ts'
import { ManualClock } from '../support/manual-clock.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { isWithoutChromium, launchChromium } from './chromium.ts'
import { expectAccessible, Person } from './roster-page.ts'

const MINUTE = 60_000
/** What Alice's world took, until now. */
const HISTORY_MS = (26 * 60 + 35 + 12 + 5) * MINUTE
const LISTS = '/unstable/dev.adsum.presence_lists'

/** With ADSUM_SCREENSHOTS, the folder for pictures of every state (`npm run screenshots -w web`). */
const SCREENSHOTS = process.env['ADSUM_SCREENSHOTS']

const LOOKS = (['light', 'dark'] as const).flatMap((colorScheme) =>
  [390, 1180].map((width) => ({ colorScheme, width })),
)

async function lets(observer: Actor, observed: Actor): Promise<void> {
  await asks(observer, observed)
  await observed.ok('POST', `${LISTS}/invites/${observer.userId}/accept`, { body: {} })
}

async function asks(observer: Actor, observed: Actor): Promise<void> {
  const body = { invite: [observed.userId] }
  await observer.ok('POST', `${LISTS}/presence/list/${observer.userId}`, { body })
}

/** Somebody with every kind of acquaintance, each in another state. */
async function alicesWorld(server: TestServer): Promise<Actor> {
  const people = ['alice', 'hare', 'dormouse', 'hatter', 'rabbit', 'queen', 'gryphon', 'knave', 'duchess']
  const named = new Map<string, Actor>()
  for (const name of [...people, 'caterpillar']) named.set(name, await server.registers(name))
  const who = (name: string): Actor => named.get(name) as Actor
  await who('alice').names('Alice Liddell')
  await who('hare').names('March Hare')
  await who('dormouse').names('The Dormouse')
  await who('hatter').names('Mad Hatter')
  await who('rabbit').names('White Rabbit')
  await who('queen').names('Queen of Hearts')
  for (const name of ['hare', 'dormouse', 'hatter', 'rabbit']) await lets(who('alice'), who(name))
  for (const name of ['hare', 'rabbit']) await lets(who(name), who('alice'))
  const roomId = await who('alice').creates({ preset: 'public_chat' })
  for (const name of ['queen', 'gryphon']) await who(name).joins(roomId)
  await who('rabbit').sets('online', 'I’m late, I’m late')
  await server.clock.advance(26 * 60 * MINUTE)
  await who('dormouse').sets('online')
  await server.clock.advance(35 * MINUTE)
  await asks(who('duchess'), who('alice'))
  await server.clock.advance(12 * MINUTE)
  await asks(who('alice'), who('caterpillar'))
  await who('hatter').sets('online')
  await server.clock.advance(5 * MINUTE)
  await asks(who('knave'), who('alice'))
  await who('dormouse').sets('unavailable', 'zzz')
  await who('hatter').sets('org.matrix.msc3026.busy')
  await who('hare').sets(
    'online',
    'Setting the table in the garden; come by when you hear the kettle, tea is at six',
  )
  await who('queen').sets('online')
  return who('alice')
}

describe.skipIf(isWithoutChromium())('the states of the roster page', () => {
  const folder = mkdtempSync(join(tmpdir(), 'adsum-roster-'))
  let server: TestServer
  let browser: Browser
  let alice: Actor

  beforeAll(async () => {
    expect(buildPage(folder)).toBe(true)
    const clock = new ManualClock(Date.now() - HISTORY_MS)
    server = await startServer({ pageFolder: folder, clock, config: { presence: { busy: true } } })
    browser = await launchChromium()
    alice = await alicesWorld(server)
    if (SCREENSHOTS !== undefined) mkdirSync(SCREENSHOTS, { recursive: true })
  })

  afterAll(async () => {
    await browser?.close()
    await server?.close()
    rmSync(folder, { recursive: true, force: true })
  })

  test.each(LOOKS)('$colorScheme at $width: nobody is shut out, nothing sticks out', async (look) => {
    const { colorScheme, width } = look
    const viewport = { width, height: width < 500 ? 844 : 900 }
    const person = await Person.arrives(browser, server, 'alice', {
      colorScheme,
      viewport,
      reducedMotion: 'reduce',
    })
    const { page } = person
    const shows = async (state: string): Promise<void> => {
      await expectAccessible(page)
      expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(width)
      if (SCREENSHOTS === undefined) return
      const path = join(SCREENSHOTS, `${state}-${colorScheme}-${width}.png`)
      await page.screenshot({ path, fullPage: true, animations: 'disabled' })
    }

    await person.fillsIn({ Name: 'alice', Password: 'wrong' })
    await person.presses('Sign in')
    await person.reads('The name or the password is wrong.')
    await shows('door')

    await person.fillsIn({ Name: 'alice', Password: alice.password })
    await person.presses('Sign in')
    await person.sees({ userId: '@hare:home.example' }, 'Online')
    await person.sees({ userId: '@dormouse:home.example' }, 'Idle')
    await person.sees({ userId: '@hatter:home.example' }, 'Busy')
    await person.sees({ userId: '@rabbit:home.example' }, 'Offline')
    await person.reads('2 people ask to see you')
    await person.touches()
    await shows('roster')

    await person.chooses('Hidden')
    await person.isShown('Hidden')
    await person.asks('not a user id')
    await person.reads('A user ID has no spaces in it.')
    await person.row({ userId: '@hare:home.example' }).hover()
    await page.getByRole('button', { name: 'Remove: March Hare' }).click()
    await shows('hidden')
    await person.chooses('Online')
    await person.isShown('Online')

    await server.stops()
    await person.context.clock.runFor(15_000)
    await person.reads('The server cannot be reached.')
    await shows('lost')
    await server.starts()

    expect(person.complaints).toEqual([])
    expect(person.strayed).toEqual([])
    await person.context.close()
  })

  test('a newcomer is told what to do', async () => {
    const person = await Person.arrives(browser, server, 'mouse', { viewport: { width: 390, height: 844 } })
    await person.makesAccount()
    await person.reads('Nobody to see yet.')
    await expectAccessible(person.page)
    if (SCREENSHOTS !== undefined)
      await person.page.screenshot({ path: join(SCREENSHOTS, 'newcomer-light-390.png'), fullPage: true })
    await person.context.close()
  })
})
