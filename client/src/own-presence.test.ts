import { expect, test } from 'vitest'
import { settle } from '../../test/support/manual-clock.ts'
import type { OwnState } from './types.ts'
import { later, OWN_ID, presenceEvent } from './support/fake-server.ts'
import { FakeBrowser } from './support/fake-tabs.ts'
import { ADSUM, begins, type Story } from './support/story.ts'

const STATUS = /^(PUT|GET) .*\/status$/
const PUT = /^PUT /
const BUSY = 'org.matrix.msc3026.busy'

function bodies({ server }: Story): unknown[] {
  return server.puts.map(({ body }) => body)
}

function lastSaid({ server }: Story): string | undefined {
  return server.syncs.at(-1)?.query['set_presence']
}

test('P-210 a write that is meant for the state leaves the text out', async () => {
  const story = await begins({ flags: ADSUM })
  const { client, clock } = story
  await client.setPresence({ state: 'online', statusMsg: 'here' })
  await clock.advance(5_000)
  await client.setPresence({ state: 'unavailable' })
  expect(bodies(story)).toEqual([{ presence: 'online', status_msg: 'here' }, { presence: 'unavailable' }])
  expect(story.server.puts.map(({ path }) => path)[0]).toBe('/_matrix/client/v3/presence/%40me%3Ahs/status')
  expect(client.own()).toMatchObject({ state: 'unavailable', statusMsg: 'here', isSaving: false })
  client.stop()
})

test('towards other servers, which would wipe it, the text is repeated, also one that another client set', async () => {
  const story = await begins({
    before: (server) =>
      server.always(/^GET .*\/status$/, { body: { presence: 'online', status_msg: 'from my phone' } }),
  })
  const { client, clock } = story
  await client.setPresence({ state: 'unavailable' })
  await clock.advance(5_000)
  await client.setPresence({ statusMsg: null })
  await clock.advance(5_000)
  await client.setPresence({ state: 'online' })
  expect(bodies(story)).toEqual([
    { presence: 'unavailable', status_msg: 'from my phone' },
    { presence: 'unavailable', status_msg: '' },
    { presence: 'online' },
  ])
  client.stop()
})

test('towards other servers the text is learned before the first write, if it was not before', async () => {
  const story = await begins({ before: (server) => server.next(STATUS, 'network') })
  const { client, server } = story
  server.next(/^GET .*\/status$/, { body: { presence: 'online', status_msg: 'late' } })
  await client.setPresence({ state: 'unavailable' })
  expect(bodies(story)).toEqual([{ presence: 'unavailable', status_msg: 'late' }])
  expect(client.own().statusMsg).toBe('late')
  client.stop()
})

test('a text by itself is written with the state as it is, and as unavailable while idle', async () => {
  const story = await begins({ flags: ADSUM })
  const { client, clock } = story
  await client.setPresence({ state: 'busy' })
  await clock.advance(5_000)
  await client.setPresence({ statusMsg: 'on a call' })
  await clock.advance(5_000)
  await client.setPresence({ state: 'online' })
  await clock.advance(3 * 60_000)
  await client.setPresence({ statusMsg: '' })
  expect(bodies(story)).toEqual([
    { presence: BUSY },
    { presence: BUSY, status_msg: 'on a call' },
    { presence: 'online' },
    { presence: 'unavailable', status_msg: '' },
  ])
  expect('statusMsg' in client.own()).toBe(false)
  client.stop()
})

for (const [flag, state, wire, fallback] of [
  ['org.matrix.msc3026.busy_presence', 'busy', BUSY, 'unavailable'],
  ['dev.adsum.hidden', 'hidden', 'hidden', 'offline'],
  ['dev.adsum.free_for_chat', 'free_for_chat', 'free_for_chat', 'online'],
] as const)
  test(`P-211 ${state} is sent only where /versions advertises it, else ${fallback}`, async () => {
    for (const offered of [true, false]) {
      const story = await begins({ flags: { [flag]: offered } })
      await story.client.setPresence({ state })
      expect(bodies(story)).toEqual([{ presence: offered ? wire : fallback }])
      const unsaid = story.server.syncs.every(({ query }) => query['set_presence'] !== BUSY)
      expect(unsaid).toBe(!(offered && state === 'busy'))
      expect(story.client.own().state).toBe(state)
      story.client.stop()
    }
  })

test('what a server advertises and refuses all the same falls back at once', async () => {
  const story = await begins({ flags: ADSUM })
  const { client, server, clock } = story
  server.next(PUT, { status: 400, body: { errcode: 'M_BAD_JSON', error: 'No such state' } })
  await client.setPresence({ state: 'hidden', statusMsg: 'gone' })
  expect(bodies(story)).toEqual([
    { presence: 'hidden', status_msg: 'gone' },
    { presence: 'offline', status_msg: 'gone' },
  ])
  expect(server.puts.map(({ ts }) => ts)).toEqual([clock.now(), clock.now()])
  expect([client.features().hidden, lastSaid(story)]).toEqual([false, 'offline'])
  client.stop()
})

test('every choice is what the syncs say, too, so that they do not undo it', async () => {
  const said: [OwnState, string][] = [
    ['unavailable', 'unavailable'],
    ['busy', BUSY],
    ['offline', 'offline'],
    ['hidden', 'offline'],
    ['free_for_chat', 'online'],
    ['online', 'online'],
  ]
  const story = await begins({ flags: ADSUM })
  for (const [state, value] of said) {
    await story.client.setPresence({ state })
    await settle()
    expect([state, lastSaid(story)]).toEqual([state, value])
    expect(story.server.polls).toHaveLength(1)
    await story.clock.advance(5_000)
  }
  story.client.stop()
})

test('being idle changes what is automatic, and nothing that was chosen by hand', async () => {
  for (const [state, whenIdle] of [
    ['online', 'unavailable'],
    ['free_for_chat', 'unavailable'],
    ['busy', BUSY],
    ['unavailable', 'unavailable'],
    ['hidden', 'offline'],
    ['offline', 'offline'],
  ] as const) {
    const story = await begins({ flags: ADSUM })
    await story.client.setPresence({ state })
    await story.clock.advance(3 * 60_000)
    expect([state, lastSaid(story), story.client.own().isIdle]).toEqual([state, whenIdle, true])
    expect(story.server.puts).toHaveLength(1)
    story.client.stop()
  }
})

test('free for chat is put again when its person comes back, since a sync cannot say it', async () => {
  const story = await begins({ flags: ADSUM })
  await story.client.setPresence({ state: 'free_for_chat' })
  await story.clock.advance(4 * 60_000)
  story.window.fires('pointermove')
  await settle()
  expect(bodies(story)).toEqual([{ presence: 'free_for_chat' }, { presence: 'free_for_chat' }])
  expect(lastSaid(story)).toBe('online')
  story.client.stop()
})

test('P-213 however often one chooses, there is at most one write in five seconds, and the latest wins', async () => {
  const story = await begins({ flags: ADSUM })
  const { client, clock, server } = story
  const choices: Promise<void>[] = []
  const states: OwnState[] = ['online', 'unavailable', 'busy']
  for (let i = 0; i < 50; i += 1) {
    choices.push(
      client.setPresence({ state: states[i % 3] ?? 'online', ...(i === 7 && { statusMsg: 'seven' }) }),
    )
    await clock.advance(331)
  }
  expect(client.own()).toMatchObject({ state: 'unavailable', statusMsg: 'seven', isSaving: true })
  await clock.advance(10_000)
  await Promise.all(choices)
  const times = server.puts.map(({ ts }) => ts)
  expect(times).toHaveLength(5)
  times.slice(1).forEach((ts, i) => expect(ts - (times[i] ?? 0)).toBeGreaterThanOrEqual(5_000))
  expect(bodies(story).at(-1)).toEqual({ presence: 'unavailable' })
  expect(bodies(story).filter((body) => JSON.stringify(body).includes('seven'))).toHaveLength(1)
  // The poll is begun again no more often than that.
  expect(server.aborted).toBeLessThanOrEqual(6)
  client.stop()
})

test('P-213 a write that is rate limited waits as told, and only the latest choice is written then', async () => {
  const story = await begins({ flags: ADSUM })
  const { client, clock, server } = story
  server.next(PUT, { status: 429, body: { errcode: 'M_LIMIT_EXCEEDED', retry_after_ms: 60_000 } })
  const first = client.setPresence({ state: 'unavailable', statusMsg: 'one' })
  await settle()
  const second = client.setPresence({ state: 'busy' })
  await clock.advance(59_999)
  expect([server.puts.length, client.own().isSaving]).toEqual([1, true])
  await clock.advance(1_001)
  await Promise.all([first, second])
  expect(bodies(story)).toEqual([
    { presence: 'unavailable', status_msg: 'one' },
    { presence: BUSY, status_msg: 'one' },
  ])
  client.stop()
})

test('a write that did not reach the server is tried until it does', async () => {
  const story = await begins({ flags: ADSUM })
  const { client, clock, server } = story
  server.next(PUT, 'network', 2)
  server.next(PUT, { status: 502 }, 2)
  const done = client.setPresence({ state: 'hidden' })
  await clock.advance(60_000)
  await done
  expect(bodies(story)).toEqual(Array.from({ length: 5 }, () => ({ presence: 'hidden' })))
  client.stop()
})

test('a refused choice is taken back and its reason is told, until the next one', async () => {
  const story = await begins({ flags: ADSUM })
  const { client, clock, server } = story
  await client.setPresence({ state: 'busy', statusMsg: 'short' })
  await clock.advance(5_000)
  server.next(PUT, { status: 413, body: { errcode: 'M_TOO_LARGE', error: 'Too long' } })
  await expect(client.setPresence({ state: 'online', statusMsg: 'long' })).rejects.toMatchObject({
    errcode: 'M_TOO_LARGE',
  })
  expect(client.own()).toMatchObject({
    state: 'busy',
    statusMsg: 'short',
    isSaving: false,
    error: { message: 'Too long' },
  })
  await clock.advance(5_000)
  expect(lastSaid(story)).toBe(BUSY)
  const fine = client.setPresence({ statusMsg: 'fine' })
  expect('error' in client.own()).toBe(false)
  await clock.advance(5_000)
  await fine
  client.stop()
})

test('a refused choice that was followed by another one does not disturb that', async () => {
  const story = await begins({ flags: ADSUM })
  const { client, clock, server } = story
  server.next(PUT, { status: 413, body: { errcode: 'M_TOO_LARGE', error: 'Too long' } })
  const refused = client.setPresence({ state: 'online', statusMsg: 'long' }).catch((error: unknown) => error)
  const fine = client.setPresence({ state: 'busy' })
  await clock.advance(5_000)
  await fine
  expect(await refused).toMatchObject({ status: 413 })
  expect(client.own()).toMatchObject({ state: 'busy', isSaving: false })
  expect(client.own().statusMsg).toBeUndefined()
  expect(client.own().error).toBeUndefined()
  client.stop()
})

test('what the server says of us is kept apart from the choice; a text from another device is taken over', async () => {
  const story = await begins({ flags: ADSUM })
  const { client, server } = story
  const before = client.own()
  expect(client.own()).toBe(before)
  await server.tellsPresence(presenceEvent(OWN_ID, { presence: 'unavailable', status_msg: 'from my phone' }))
  expect(client.own()).toMatchObject({
    state: 'online',
    statusMsg: 'from my phone',
    published: { presence: 'unavailable', statusMsg: 'from my phone' },
  })
  expect(client.roster()).toEqual([])
  server.always(/./, 'network')
  await server.tells({})
  await story.clock.advance(10_000)
  expect(client.own()).toMatchObject({ state: 'online', published: { presence: 'unknown' } })
  client.stop()
})

test('what is being written is not overruled by what the server said before', async () => {
  const { client, server } = await begins({ flags: ADSUM })
  const put = later()
  server.next(PUT, put.handler)
  const done = client.setPresence({ statusMsg: 'mine' })
  await server.tellsPresence(presenceEvent(OWN_ID, { status_msg: 'older' }))
  expect(client.own()).toMatchObject({ statusMsg: 'mine', isSaving: true })
  await put.comes({})
  await done
  expect(client.own()).toMatchObject({ statusMsg: 'mine', isSaving: false })
  client.stop()
})

test('who is hidden already learns it at the start, from the surface that says so', async () => {
  const story = await begins({
    flags: ADSUM,
    before: (server) =>
      server.always(/^GET .*\/status$/, ({ path }) => ({
        body: { presence: path.includes('/api/v1/') ? 'hidden' : 'offline', status_msg: 'shh' },
      })),
  })
  expect(story.client.own()).toMatchObject({ state: 'hidden', statusMsg: 'shh', isSaving: false })
  expect(story.server.requests(STATUS).map(({ path }) => path)).toEqual([
    '/_matrix/client/api/v1/presence/%40me%3Ahs/status',
  ])
  await story.clock.advance(5_000)
  expect([lastSaid(story), story.server.puts]).toEqual(['offline', []])
  story.client.stop()
})

test('hiding and showing oneself on another device is noticed', async () => {
  const story = await begins({ flags: ADSUM })
  const { client, server } = story
  server.next(/^GET .*\/status$/, { body: { presence: 'hidden' } })
  await server.tellsPresence(presenceEvent(OWN_ID, { presence: 'offline' }))
  expect(client.own().state).toBe('hidden')
  server.next(/^GET .*\/status$/, { body: { presence: 'online' } })
  await server.tellsPresence(presenceEvent(OWN_ID, { presence: 'online' }))
  expect([client.own().state, server.puts]).toEqual(['online', []])
  client.stop()
})

test('the choice survives a reload, and so does being hidden before the server could say it', async () => {
  const kept = new Map<string, string>()
  const storage = {
    getItem: (key: string) => kept.get(key) ?? null,
    setItem: (key: string, value: string) => void kept.set(key, value),
  }
  const first = await begins({ storage, flags: ADSUM })
  await first.client.setPresence({ state: 'busy', statusMsg: 'call' })
  first.client.stop()
  const second = await begins({ storage, flags: ADSUM })
  expect(second.client.own().state).toBe('busy')
  expect(second.server.syncs[0]?.query['set_presence']).toBe(BUSY)
  second.client.stop()
  await second.client.setPresence({ state: 'online' }).catch(() => {})
  const third = await begins({ storage: { ...storage, getItem: () => 'nonsense' } })
  expect(third.client.own().state).toBe('online')
  third.client.stop()
  const broken = (): never => {
    throw new Error('forbidden')
  }
  const fourth = await begins({ storage: { getItem: broken, setItem: broken } })
  await fourth.client.setPresence({ state: 'offline' })
  expect(fourth.client.own().state).toBe('offline')
  fourth.client.stop()
})

test('free for chat is put again after a reload', async () => {
  const storage = { getItem: () => 'free_for_chat', setItem: () => {} }
  const story = await begins({ storage, flags: ADSUM })
  expect(bodies(story)).toEqual([{ presence: 'free_for_chat' }])
  story.client.stop()
})

test('free for chat is put again when the server was lost, which may have forgotten it', async () => {
  const story = await begins({ flags: ADSUM, idle: false })
  const { client, clock, server } = story
  await client.setPresence({ state: 'free_for_chat' })
  await clock.advance(5_000)
  server.always(/./, 'network')
  await server.tells({})
  await clock.advance(10_000)
  server.heal()
  await clock.advance(30_000)
  expect(client.connection()).toBe('connected')
  expect(bodies(story)).toEqual([{ presence: 'free_for_chat' }, { presence: 'free_for_chat' }])
  client.stop()
})

test('two tabs of one person follow the same choice, and only the one where it was made writes it', async () => {
  const browser = new FakeBrowser()
  const channel = (): ReturnType<FakeBrowser['channel']> => browser.channel()
  const first = await begins({ channel, flags: ADSUM })
  const second = await begins({ channel, flags: ADSUM })
  await first.client.setPresence({ state: 'unavailable', statusMsg: 'lunch' })
  await settle()
  expect(second.client.own()).toMatchObject({ state: 'unavailable', statusMsg: 'lunch', isSaving: false })
  expect([lastSaid(first), lastSaid(second)]).toEqual(['unavailable', 'unavailable'])
  expect([first.server.puts.length, second.server.puts.length]).toEqual([1, 0])
  await second.clock.advance(5_000)
  await second.client.setPresence({ state: 'online' })
  await first.clock.advance(5_000)
  expect([lastSaid(first), lastSaid(second)]).toEqual(['online', 'online'])
  expect([first.server.puts.length, second.server.puts.length]).toEqual([1, 1])
  first.client.stop()
  second.client.stop()
})

test('a stopped client refuses choices, and lets those go that were not written', async () => {
  const story = await begins({ flags: ADSUM })
  const { client, server } = story
  await client.setPresence({ state: 'unavailable' })
  const late = client.setPresence({ state: 'busy' })
  client.stop()
  await expect(late).rejects.toMatchObject({ name: 'RequestError', status: 0 })
  await expect(client.setPresence({ state: 'online' })).rejects.toMatchObject({ status: 0 })
  expect(client.own()).toMatchObject({ state: 'unavailable', isSaving: false })
  server.next(PUT, 'hang')
  client.start()
  await settle()
  const hung = client.setPresence({ state: 'busy' })
  await settle()
  client.stop()
  await expect(hung).rejects.toMatchObject({ status: 0 })
  client.start()
  await client.setPresence({ state: 'busy' })
  expect(client.own()).toMatchObject({ state: 'busy', isSaving: false })
  client.stop()
})
