import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { ManualClock, settle } from '../../test/support/manual-clock.ts'
import type { Clock } from './clock.ts'
import { IdleTimer, type IdleState, type IdleTimerOptions } from './idle-timer.ts'
import { FakeBrowser, FakeWindow } from './support/fake-tabs.ts'

const MINUTE = 60_000

interface Tab {
  readonly timer: IdleTimer
  readonly window: FakeWindow
  readonly changes: IdleState[]
  readonly reports: IdleState[]
  isVisible: boolean
}

function opens(clock: Clock, options: IdleTimerOptions = {}): Tab {
  const window = new FakeWindow()
  const [changes, reports]: [IdleState[], IdleState[]] = [[], []]
  const tab = { window, changes, reports, isVisible: true }
  const timer = new IdleTimer({
    clock,
    target: window,
    channel: null,
    locks: null,
    isVisible: () => tab.isVisible,
    onChange: (state) => changes.push(state),
    onReport: (state) => reports.push(state),
    ...options,
  })
  return Object.assign(tab, { timer })
}

function opensIn(browser: FakeBrowser, clock: Clock, options: IdleTimerOptions = {}): Tab {
  return opens(clock, { channel: browser.channel(), locks: browser.locks, ...options })
}

test('P-205 after three minutes without a touch the timer says idle, once, and active at the next one, once', async () => {
  const clock = new ManualClock()
  const { timer, window, changes } = opens(clock)
  await clock.advance(3 * MINUTE - 1)
  expect([timer.state, changes]).toEqual(['active', []])
  await clock.advance(1)
  expect([timer.state, changes]).toEqual(['idle', ['idle']])
  await clock.advance(60 * MINUTE)
  expect(changes).toEqual(['idle'])
  window.fires('pointermove')
  window.fires('pointermove')
  expect([timer.state, changes]).toEqual(['active', ['idle', 'active']])
  timer.stop()
})

for (const type of [
  'pointerdown',
  'pointermove',
  'keydown',
  'touchstart',
  'wheel',
  'focus',
  'visibilitychange',
])
  test(`P-205 ${type} is activity`, async () => {
    const clock = new ManualClock()
    const { timer, window, changes } = opens(clock)
    await clock.advance(2 * MINUTE)
    window.fires(type)
    await clock.advance(2 * MINUTE)
    expect(changes).toEqual([])
    await clock.advance(MINUTE)
    expect(changes).toEqual(['idle'])
    timer.stop()
  })

test('what happens to a page that cannot be seen is not activity', async () => {
  const clock = new ManualClock()
  const tab = opens(clock)
  await clock.advance(2 * MINUTE)
  tab.isVisible = false
  tab.window.fires('visibilitychange')
  await clock.advance(MINUTE)
  expect(tab.changes).toEqual(['idle'])
  tab.timer.stop()
})

test('P-205 the time is held between one and five minutes', async () => {
  for (const [timeoutMs, heldMs] of [
    [1, MINUTE],
    [90_000, 90_000],
    [60 * MINUTE, 5 * MINUTE],
  ] as const) {
    const clock = new ManualClock()
    const { timer, changes } = opens(clock, { timeoutMs })
    await clock.advance(heldMs - 1)
    expect(changes).toEqual([])
    await clock.advance(1)
    expect(changes).toEqual(['idle'])
    timer.stop()
  }
})

test('stop takes every listener and timer back, and nothing is said after it', async () => {
  const clock = new ManualClock()
  const { timer, window, changes } = opens(clock)
  expect(window.listening.length).toBeGreaterThan(5)
  timer.stop()
  expect([window.listening, clock.timers]).toEqual([[], 0])
  timer.activity()
  await clock.advance(10 * MINUTE)
  expect([changes, clock.timers]).toEqual([[], 0])
})

test('several people may listen to one timer, and leave', async () => {
  const clock = new ManualClock()
  const { timer } = opens(clock)
  const heard: string[] = []
  const off = timer.subscribe((state) => heard.push(`one ${state}`))
  timer.subscribe((state) => heard.push(`two ${state}`))
  await clock.advance(3 * MINUTE)
  off()
  timer.activity()
  expect(heard).toEqual(['one idle', 'two idle', 'two active'])
  timer.stop()
})

test('of several tabs activity in one keeps all active, and exactly one reports', async () => {
  const clock = new ManualClock()
  const browser = new FakeBrowser()
  const tabs = [1, 2, 3].map(() => opensIn(browser, clock))
  await settle()
  for (let minute = 0; minute < 10; minute += 1) {
    await clock.advance(MINUTE)
    tabs[minute % 3]?.window.fires('keydown')
  }
  expect(tabs.flatMap(({ changes }) => changes)).toEqual([])
  await clock.advance(3 * MINUTE)
  expect(tabs.map(({ changes }) => changes)).toEqual([['idle'], ['idle'], ['idle']])
  tabs[2]?.window.fires('keydown')
  await settle()
  expect(tabs.map(({ timer }) => timer.state)).toEqual(['active', 'active', 'active'])
  expect(tabs.map(({ reports }) => reports)).toEqual([['idle', 'active'], [], []])
  for (const { timer } of tabs) timer.stop()
})

test('when the tab that reports is closed, another one does', async () => {
  const clock = new ManualClock()
  const browser = new FakeBrowser()
  const [first, second] = [opensIn(browser, clock), opensIn(browser, clock)]
  await settle()
  expect([first.timer.isReporter, second.timer.isReporter]).toEqual([true, false])
  first.timer.stop()
  await settle()
  expect([first.timer.isReporter, second.timer.isReporter]).toEqual([false, true])
  await clock.advance(3 * MINUTE)
  expect([first.reports, second.reports]).toEqual([[], ['idle']])
  second.timer.stop()
})

test('a tab whose timers the browser holds back follows the others, and does not call them back', async () => {
  const clock = new ManualClock()
  const browser = new FakeBrowser()
  const held = holdBack(clock)
  const [front, back] = [opensIn(browser, clock), opensIn(browser, held)]
  await clock.advance(2 * MINUTE)
  front.window.fires('keydown')
  await clock.advance(3 * MINUTE)
  expect([front.changes, back.changes]).toEqual([['idle'], ['idle']])
  front.timer.stop()
  back.timer.stop()
})

/** A clock whose timers ring a minute late, as those of hidden pages may. */
function holdBack(clock: ManualClock): Clock {
  return { now: () => clock.now(), after: (delayMs, run) => clock.after(delayMs + MINUTE, run) }
}

test('activity between two words to the other tabs is not lost', async () => {
  const clock = new ManualClock()
  const browser = new FakeBrowser()
  const [first, second] = [opensIn(browser, clock), opensIn(browser, clock)]
  await clock.advance(2 * MINUTE)
  first.window.fires('keydown')
  await clock.advance(1_000)
  first.window.fires('keydown')
  await clock.advance(3 * MINUTE - 1)
  expect([first.changes, second.changes]).toEqual([[], []])
  await clock.advance(1)
  expect([first.changes, second.changes]).toEqual([['idle'], ['idle']])
  first.timer.stop()
  second.timer.stop()
})

test('a tab that knows of later activity takes the idleness of another one back', async () => {
  const clock = new ManualClock()
  const browser = new FakeBrowser()
  const timeoutMs = MINUTE
  const touched = opensIn(browser, holdBack(clock), { timeoutMs })
  const other = opensIn(browser, clock, { timeoutMs })
  await clock.advance(30_000)
  touched.window.fires('keydown')
  await clock.advance(1_000)
  // Too soon to say it again, and the timer that would say it later rings too late.
  touched.window.fires('keydown')
  await clock.advance(59_000)
  expect([touched.changes, other.changes]).toEqual([[], ['idle', 'active']])
  await clock.advance(1_000)
  expect([touched.changes, other.changes]).toEqual([['idle'], ['idle', 'active', 'idle']])
  touched.timer.stop()
  other.timer.stop()
})

test('a word of long ago wakes nobody, and a broken one harms nobody', async () => {
  const clock = new ManualClock()
  const browser = new FakeBrowser()
  const { timer, changes } = opensIn(browser, clock)
  const other = browser.channel()
  await clock.advance(3 * MINUTE)
  other.post({ active: clock.now() - 3 * MINUTE })
  other.post({ active: 'now' })
  other.post([])
  await settle()
  expect(changes).toEqual(['idle'])
  other.post({ active: clock.now() - 1 })
  await settle()
  expect(changes).toEqual(['idle', 'active'])
  timer.stop()
})

test('tabs do not talk more often than every few seconds', async () => {
  const clock = new ManualClock()
  const browser = new FakeBrowser()
  let words = 0
  browser.channel().listen(() => (words += 1))
  const { timer, window } = opensIn(browser, clock)
  for (let i = 0; i < 600; i += 1) {
    window.fires('pointermove')
    await clock.advance(100)
  }
  expect(words).toBeGreaterThan(10)
  expect(words).toBeLessThan(15)
  timer.stop()
})

/** A clock that can be moved without its timers noticing, as when the machine sleeps. */
class SleepyClock extends ManualClock {
  #sleptMs = 0

  override now(): number {
    return super.now() + this.#sleptMs
  }

  sleeps(ms: number): void {
    this.#sleptMs += ms
  }
}

test('a machine that slept is idle until the next activity', async () => {
  for (const ms of [3 * MINUTE, 8 * 60 * MINUTE, -60 * MINUTE]) {
    const clock = new SleepyClock()
    const { timer, window, changes } = opens(clock, { timeoutMs: 5 * MINUTE })
    await clock.advance(MINUTE)
    clock.sleeps(ms)
    await clock.advance(31_000)
    expect(changes).toEqual(['idle'])
    await clock.advance(MINUTE)
    window.fires('pointermove')
    expect(changes).toEqual(['idle', 'active'])
    await clock.advance(5 * MINUTE - 1)
    expect(changes).toEqual(['idle', 'active'])
    timer.stop()
  }
})

test('a touch that wakes the machine is activity, and no idleness is reported before it', async () => {
  const clock = new SleepyClock()
  const { timer, window, changes } = opens(clock)
  clock.sleeps(60 * MINUTE)
  window.fires('keydown')
  await clock.advance(2 * MINUTE)
  expect(changes).toEqual([])
  timer.stop()
})

test('when the machine sleeps, all its tabs are idle together, although they ask each other', async () => {
  const clock = new SleepyClock()
  const browser = new FakeBrowser()
  const tabs = [opensIn(browser, clock), opensIn(browser, clock)]
  await clock.advance(10_000)
  tabs[0]?.window.fires('keydown')
  clock.sleeps(60 * MINUTE)
  await clock.advance(32_000)
  expect(tabs.map(({ changes }) => changes)).toEqual([['idle'], ['idle']])
  for (const { timer } of tabs) timer.stop()
})

test('a tab that alone was frozen asks the others, and stays active with them', async () => {
  const [clock, frozen] = [new ManualClock(), new SleepyClock()]
  const browser = new FakeBrowser()
  const [awake, back] = [opensIn(browser, clock), opensIn(browser, frozen)]
  for (let minute = 0; minute < 10; minute += 1) {
    await clock.advance(MINUTE)
    awake.window.fires('keydown')
  }
  await settle()
  expect([awake.timer.state, back.timer.state]).toEqual(['active', 'active'])
  frozen.sleeps(10 * MINUTE)
  await frozen.advance(32_000)
  expect(back.changes).toEqual([])
  awake.timer.stop()
  back.timer.stop()
})

test('tabs whatever they do agree as soon as messages have arrived', async () => {
  const steps = fc.array(
    fc.oneof(
      fc.record({ touch: fc.nat(2) }),
      fc.record({ waitMs: fc.integer({ min: 0, max: 4 * MINUTE }) }),
      fc.record({ reopen: fc.nat(2) }),
    ),
    { maxLength: 25 },
  )
  await fc.assert(
    fc.asyncProperty(steps, async (steps) => {
      const clock = new ManualClock()
      const browser = new FakeBrowser()
      const tabs = [0, 1, 2].map(() => opensIn(browser, clock))
      let touchedTs = clock.now()
      for (const step of steps) {
        if ('waitMs' in step) await clock.advance(step.waitMs)
        else if ('touch' in step) tabs[step.touch]?.window.fires('keydown')
        else {
          tabs[step.reopen]?.timer.stop()
          tabs[step.reopen] = opensIn(browser, clock)
        }
        if (!('waitMs' in step)) touchedTs = clock.now()
        await settle(2)
        const expected = clock.now() - touchedTs >= 3 * MINUTE ? 'idle' : 'active'
        expect(tabs.map(({ timer }) => timer.state)).toEqual([expected, expected, expected])
        expect(tabs.filter(({ timer }) => timer.isReporter)).toHaveLength(1)
      }
      for (const { timer } of tabs) timer.stop()
      expect(clock.timers).toBe(0)
    }),
    { numRuns: 150 },
  )
})
