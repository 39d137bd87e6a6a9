import { expect, test } from 'vitest'
import type { Log } from '../ports/log.ts'
import { createLog } from './log.ts'
import type { Config } from './options.ts'

const clock = { now: () => Date.UTC(2015, 9, 2, 12, 0, 0, 7) }

function logged(settings: Config['log'], run: (log: Log) => void): string[] {
  const lines: string[] = []
  run(createLog({ ...settings, clock, write: (line) => void lines.push(line) }))
  return lines
}

test('a JSON line has level, time, message and fields', () => {
  const [line = ''] = logged({ level: 'info', format: 'json' }, (log) =>
    log.warn({ user: '@a:b', n: 1 }, 'hello'),
  )
  expect(JSON.parse(line)).toEqual({ level: 'warn', time: clock.now(), msg: 'hello', user: '@a:b', n: 1 })
  expect(line.endsWith('\n')).toBe(true)
})

test('lines below the level are not written', () => {
  const all = (log: Log): void => {
    log.debug({}, 'd')
    log.info({}, 'i')
    log.warn({}, 'w')
    log.error({}, 'e')
  }
  expect(logged({ level: 'warn', format: 'json' }, all).length).toBe(2)
  expect(logged({ level: 'debug', format: 'json' }, all).length).toBe(4)
})

test('secrets are hidden by key, in addresses and in errors, in both formats', () => {
  const secrets = {
    access_token: 'hunter2',
    headers: { authorization: 'Bearer hunter2' },
    request: { body: { password: 'hunter2' } },
    path: '/_matrix/client/r0/sync?access_token=hunter2&since=x',
    encoded: 'access_token%3Dhunter2',
    json: '{"access_token":"hunter2","refresh_token": "hunter2"}',
    err: new Error('refused: Bearer hunter2'),
  }
  for (const format of ['json', 'pretty'] as const) {
    const [line = ''] = logged({ level: 'info', format }, (log) => log.error(secrets, 'Bearer hunter2'))
    expect(line).not.toContain('hunter2')
    expect(line).toContain('since=x')
  }
})

test('a pretty line is one line; values cannot pretend to be others', () => {
  const fields = { user: '@a:b', text: 'x\n12:00 ERROR forged', pair: 'a b=c' }
  const [line = ''] = logged({ level: 'info', format: 'pretty' }, (log) => log.info(fields, 'hello'))
  expect(line).toMatch(
    /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.007 INFO {2}hello {2}user=@a:b text="x\\n12:00 ERROR forged" pair="a b=c"\n$/,
  )
})

test('an error is written with its stack', () => {
  const run = (log: Log): void => log.error({ err: new TypeError('broken') }, 'it failed')
  const [pretty = ''] = logged({ level: 'info', format: 'pretty' }, run)
  expect(pretty).toMatch(/it failed\n {2}TypeError: broken\n/)
  const [json = ''] = logged({ level: 'info', format: 'json' }, run)
  expect(JSON.parse(json)).toMatchObject({ err: { type: 'TypeError', message: 'broken' } })
})
