import { expect } from 'vitest'
import type { JsonObject } from '../../src/matrix/json.ts'
import type { Actor } from './actors.ts'
import { startServer, type TestServer } from './server.ts'

/*
 * Examples in a document, told so that a test can replay them. A section (`## …`) is one story on one server of its own:
 *
 * - `<!-- replay {"people": ["alice", "bob"], "room": ["alice", "bob"], "config": {…}} -->` says who is there at its
 *   beginning: `{alice}` is then her access token, `{alice.device}` her device, `{room}` the room that the first has made
 *   and the others have joined.
 * - A fenced block `http` is a request, as it is sent, and from the line `HTTP/1.1 …` on its answer.
 * - `_90 seconds later:_` on a line of its own lets the time pass.
 *
 * In an answer a text in braces, `"{next}"`, takes whatever text is there and gives it that name; what has a name already
 * must be the same. Everything else must be as it stands; keys that are not shown must not be there, unless `"…"` is among
 * the keys.
 */

export interface Exchange {
  readonly kind: 'exchange'
  /** In the document, from 1. */
  readonly line: number
  readonly method: string
  readonly target: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  readonly status: number
  readonly answer: unknown
}

export interface Pause {
  readonly kind: 'pause'
  readonly ms: number
}

export interface Section {
  readonly title: string
  readonly people: readonly string[]
  readonly room: readonly string[]
  readonly config: Readonly<Record<string, unknown>>
  readonly steps: readonly (Exchange | Pause)[]
}

const LATER = /^_(\d+) (second|minute|hour)s? later:_$/
const UNIT_MS = { second: 1_000, minute: 60_000, hour: 3_600_000 }
const REPLAY = /^<!-- replay (\{.*\}) -->$/
const OTHER_KEYS = '…'

/** The sections of a document that have examples. */
export function readExamples(document: string): Section[] {
  const lines = document.split('\n')
  const starts = lines.flatMap((line, at) => (line.startsWith('## ') ? [at] : []))
  return starts
    .map((at, i) => readSection(lines.slice(at, starts[i + 1] ?? lines.length), at))
    .filter(({ steps }) => steps.length > 0)
}

function readSection(lines: readonly string[], offset: number): Section {
  const steps: (Exchange | Pause)[] = []
  let setting: Partial<Section> = {}
  for (let at = 0; at < lines.length; at += 1) {
    const line = lines[at] ?? ''
    const [, setup] = REPLAY.exec(line) ?? []
    if (setup !== undefined) setting = JSON.parse(setup) as Partial<Section>
    const [, count, unit] = LATER.exec(line) ?? []
    if (unit !== undefined)
      steps.push({ kind: 'pause', ms: Number(count) * UNIT_MS[unit as keyof typeof UNIT_MS] })
    if (line !== '```http') continue
    const end = lines.indexOf('```', at)
    steps.push(readExchange(lines.slice(at + 1, end), offset + at + 1))
    at = end
  }
  return { people: [], room: [], config: {}, ...setting, title: (lines[0] ?? '').slice('## '.length), steps }
}

function readExchange(lines: readonly string[], line: number): Exchange {
  const at = lines.findIndex((each) => each.startsWith('HTTP/1.1 '))
  if (at < 0) throw new Error(`the example at line ${line} has no answer`)
  const [[method = '', target = ''], headers, body] = readMessage(lines.slice(0, at))
  const [[, status], , answer] = readMessage(lines.slice(at))
  return {
    kind: 'exchange',
    line,
    method,
    target,
    headers,
    body,
    status: Number(status),
    answer: JSON.parse(answer) as unknown,
  }
}

function readMessage(
  lines: readonly string[],
): [first: string[], headers: Record<string, string>, body: string] {
  const [first = '', ...rest] = lines
  const blank = rest.indexOf('')
  const headers = (blank < 0 ? rest : rest.slice(0, blank)).map((line): [string, string] => {
    const colon = line.indexOf(':')
    return [line.slice(0, colon), line.slice(colon + 1).trim()]
  })
  const body = blank < 0 ? '' : rest.slice(blank).join('\n').trim()
  return [first.split(' '), Object.fromEntries(headers), body]
}

/** Plays a section on a server of its own; fails, with the line, where the server answers otherwise. */
export async function replay(section: Section): Promise<void> {
  const server = await startServer({ config: section.config })
  try {
    const names = await settingOf(server, section)
    for (const step of section.steps) {
      if (step.kind === 'pause') await server.clock.advance(step.ms)
      else await play(server, step, names)
    }
  } finally {
    await server.close()
  }
}

async function settingOf(server: TestServer, { people, room }: Section): Promise<Map<string, string>> {
  const names = new Map<string, string>()
  const actors = new Map<string, Actor>()
  for (const name of people) {
    const actor = await server.registers(name, { deviceId: name.toUpperCase() })
    actors.set(name, actor)
    names.set(name, actor.token).set(`${name}.device`, actor.deviceId)
  }
  const [host, ...guests] = room.flatMap((name) => actors.get(name) ?? [])
  if (host === undefined) return names
  const roomId = await host.creates({ preset: 'public_chat' })
  for (const guest of guests) await guest.joins(roomId)
  return names.set('room', roomId)
}

async function play(server: TestServer, exchange: Exchange, names: Map<string, string>): Promise<void> {
  const filled = (text: string, encode: (value: string) => string): string =>
    text.replaceAll(/\{([a-z]\w*(?:\.\w+)?)\}/g, (whole, name: string) => {
      const value = names.get(name)
      return value === undefined ? whole : encode(value)
    })
  const plain = (text: string): string => filled(text, (value) => value)
  const headers = Object.entries(exchange.headers).map(([name, value]) => [name, plain(value)])
  const reply = await server.request(exchange.method, filled(exchange.target, encodeURIComponent), {
    headers: Object.fromEntries(headers) as Record<string, string>,
    ...(exchange.body !== '' && { rawBody: plain(exchange.body) }),
  })
  const where = `line ${exchange.line}: ${exchange.method} ${exchange.target}`
  const answer = JSON.parse(reply.text) as unknown
  expect([reply.status, answer], where).toEqual([exchange.status, expected(exchange.answer, answer, names)])
}

/** What is shown, with names filled in from what came, and with what came in place of keys that are not shown. */
function expected(shown: unknown, came: unknown, names: Map<string, string>): unknown {
  if (typeof shown === 'string') return expectedText(shown, came, names)
  if (Array.isArray(shown)) {
    const items = Array.isArray(came) ? (came as readonly unknown[]) : []
    return shown.map((item, i) => expected(item, items[i], names))
  }
  if (typeof shown !== 'object' || shown === null) return shown
  const { [OTHER_KEYS]: others, ...keys } = shown as JsonObject
  const object = (typeof came === 'object' && came !== null ? came : {}) as JsonObject
  const filled = Object.entries(keys).map(([key, value]) => {
    const name = expectedText(key, Object.keys(object)[0], names)
    return [name, expected(value, object[name], names)]
  })
  return { ...(others === undefined ? {} : object), ...(Object.fromEntries(filled) as object) }
}

function expectedText(shown: string, came: unknown, names: Map<string, string>): string {
  const [, name] = /^\{([a-z]\w*)\}$/.exec(shown) ?? []
  if (name === undefined) return shown
  if (!names.has(name) && typeof came === 'string') names.set(name, came)
  return names.get(name) ?? shown
}
