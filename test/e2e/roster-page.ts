import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import type { Browser, BrowserContext, BrowserContextOptions, Locator, Page } from 'playwright-core'
import { expect } from 'vitest'
import { Actor } from '../support/actors.ts'
import type { TestServer } from '../support/server.ts'

const SEEN_WITHIN_MS = 90_000
const STEP_MS = 5_000
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

/** The states by the names that the page gives them. */
export type Shown = 'Online' | 'Free to chat' | 'Busy' | 'Idle' | 'Offline' | 'Hidden' | 'Unknown'

/** A person in front of the roster page, in a browser of their own whose clock the test moves. */
export class Person {
  readonly context: BrowserContext
  /** The tab looked at. */
  readonly page: Page
  readonly name: string
  readonly userId: string
  /** What a browser complains of: errors of the page, broken rules of the Content-Security-Policy. */
  readonly complaints: string[] = []
  /** Where requests went that did not go to the server. */
  readonly strayed: string[] = []
  readonly #server: TestServer

  private constructor(context: BrowserContext, page: Page, name: string, server: TestServer) {
    this.context = context
    this.page = page
    this.name = name
    this.userId = `@${name}:${server.name}`
    this.#server = server
  }

  /** A browser at the door. */
  static async arrives(
    browser: Browser,
    server: TestServer,
    name: string,
    options: BrowserContextOptions = {},
  ): Promise<Person> {
    const context = await browser.newContext({ viewport: { width: 1180, height: 900 }, ...options })
    context.setDefaultTimeout(SEEN_WITHIN_MS)
    await context.clock.install()
    const person = new Person(context, await context.newPage(), name, server)
    person.#watch(new URL(server.url).origin)
    await person.page.goto(server.url)
    return person
  }

  #watch(origin: string): void {
    this.context.on('request', (request) => {
      if (new URL(request.url()).origin !== origin) this.strayed.push(request.url())
    })
    this.context.on('weberror', (error) => this.complaints.push(String(error.error())))
    this.context.on('console', (message) => {
      // Chromium itself notes each refusal and each server that is gone; those are told to the person.
      const isNetwork = message.text().startsWith('Failed to load resource')
      if (!isNetwork && ['error', 'warning'].includes(message.type())) this.complaints.push(message.text())
    })
  }

  async makesAccount(password = `${this.name}'s password`): Promise<void> {
    await this.page.getByRole('button', { name: 'Make an account' }).click()
    await this.fillsIn({ Name: this.name, Password: password })
    await this.presses('Make an account')
    await this.page.getByRole('heading', { name: 'Who is around' }).waitFor()
  }

  async fillsIn(fields: Readonly<Record<string, string>>): Promise<void> {
    for (const [label, text] of Object.entries(fields))
      await this.page.getByLabel(label, { exact: true }).fill(text)
  }

  async presses(name: string | RegExp, within: Page | Locator = this.page): Promise<void> {
    await within.getByRole('button', { name, exact: true }).click()
  }

  async asks(typed: string): Promise<void> {
    await this.fillsIn({ 'User ID': typed })
    await this.presses('Ask')
  }

  /** Chooses a state; the next choice is not held back by this one. */
  async chooses(state: Shown): Promise<void> {
    await this.page.locator('.states label').filter({ hasText: state }).click()
    await this.context.clock.runFor(STEP_MS)
  }

  async says(text: string): Promise<void> {
    await this.fillsIn({ 'Status text': text })
    await this.presses('Set')
    await this.context.clock.runFor(STEP_MS)
  }

  /** The row of somebody in the roster. */
  row(other: { readonly userId: string }, page = this.page): Locator {
    return page.locator(`.person[data-user="${other.userId}"]`)
  }

  async sees(other: { readonly userId: string }, state: Shown, page = this.page): Promise<void> {
    await this.row(other, page).getByRole('img', { name: state, exact: true }).waitFor()
  }

  async seesNothingOf(other: { readonly userId: string }): Promise<void> {
    await this.row(other).waitFor({ state: 'detached' })
  }

  /** The own dot. */
  async isShown(state: Shown, page = this.page): Promise<void> {
    await page.locator('.own-head').getByRole('img', { name: state, exact: true }).waitFor()
  }

  async reads(text: string | RegExp, page = this.page): Promise<void> {
    await page.getByText(text).first().waitFor()
  }

  /** A part of the page by its heading. */
  section(name: string | RegExp): Locator {
    return this.page.getByRole('region', { name, exact: true })
  }

  /** Moves the pointer: somebody is there. */
  async touches(page = this.page): Promise<void> {
    await page.mouse.move(10, 10)
    await page.mouse.move(20, 20)
  }

  /** The same person over HTTP, with the login of the page. */
  async actor(): Promise<Actor> {
    const stored = await this.page.evaluate(() => localStorage.getItem('adsum-session'))
    const { accessToken } = JSON.parse(stored ?? '{}') as { accessToken: string }
    const session = { userId: this.userId, deviceId: '', token: accessToken }
    return new Actor(this.name, '', session, (method, path, options) =>
      this.#server.request(method, path, options),
    )
  }

  /** Another tab of the same browser. */
  async opensTab(): Promise<Page> {
    const tab = await this.context.newPage()
    await tab.goto(this.#server.url)
    await tab.getByRole('heading', { name: 'Who is around' }).waitFor()
    return tab
  }
}

/** Lets time pass for the server and for all browsers, in steps, each with the polls of `tabs` tabs waiting at its end. */
export async function timePasses(
  server: TestServer,
  people: readonly Person[],
  ms: number,
  tabs = people.length,
): Promise<void> {
  for (let passed = 0; passed < ms; passed += STEP_MS) {
    const stepMs = Math.min(STEP_MS, ms - passed)
    await Promise.all(people.map(({ context }) => context.clock.runFor(stepMs)))
    await server.clock.advance(stepMs)
    await server.parked(tabs)
  }
}

/** Asserts that axe-core finds nothing that a person with a screen reader or weak eyes would trip over. */
export async function expectAccessible(page: Page): Promise<void> {
  await page.evaluate(AXE)
  const found = await page.evaluate(async () => {
    const { axe } = globalThis as never as {
      axe: { run: (options: object) => Promise<{ violations: { id: string; nodes: { html: string }[] }[] }> }
    }
    const { violations } = await axe.run({ resultTypes: ['violations'] })
    return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`)
  })
  expect(found).toEqual([])
}
