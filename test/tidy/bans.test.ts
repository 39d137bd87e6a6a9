import { expect, test } from 'vitest'
import { codeOnly, sourceFiles } from '../../scripts/tree.ts'

interface Ban {
  readonly what: RegExp
  readonly instead: string
  /** Where it is banned: path prefixes. */
  readonly under: readonly string[]
  /** Files that may, because they are the replacement. */
  readonly except: readonly string[]
}

const TESTS = /\.test\.tsx?$|\/support\//

const BANS: readonly Ban[] = [
  {
    what: /\bDate\.now\b|\bnew Date\b|\bperformance\.|\bsetTimeout\b|\bsetInterval\b|process\.hrtime/,
    instead: 'take a Clock (base/clock.ts); in the engine, the argument `now`',
    under: ['src/'],
    except: ['src/base/clock.ts'],
  },
  {
    what: /Math\.random|\brandomBytes\b|\brandomInt\b|\brandomUUID\b|getRandomValues/,
    instead: 'take a Random (base/random.ts)',
    under: ['src/'],
    except: ['src/base/random.ts'],
  },
  {
    what: /\bDate\.now\b|\bnew Date\b|\bperformance\.|\bsetTimeout\b|\bsetInterval\b|Math\.random/,
    instead: 'take a Clock or `random` (client/src/clock.ts)',
    under: ['client/'],
    except: [
      'client/src/clock.ts',
      ...sourceFiles('client/src').flatMap(({ path }) => (TESTS.test(path) ? [path] : [])),
    ],
  },
  {
    what: /\bconsole\./,
    instead: 'take a Log (ports/log.ts); a library writes nothing',
    under: ['src/', 'client/'],
    except: [],
  },
  {
    what: /\basync\b|\bawait\b|\bPromise\b|\bprocess\.|\bsetImmediate\b|\bqueueMicrotask\b/,
    instead: 'the core is synchronous and told everything; do this in the shell',
    under: ['src/engine/', 'src/matrix/'],
    except: [],
  },
  {
    what: /\bexport default\b/,
    instead: 'export by name',
    under: ['src/', 'client/'],
    except: [],
  },
  {
    what: /\bas any\b|: any\b|<any>/,
    instead: 'unknown, and a check',
    under: ['src/', 'client/', 'test/', 'scripts/', 'bench/'],
    except: ['test/tidy/bans.test.ts'],
  },
  {
    what: /\b(?:Manager|Helper|Util)s?\b/,
    instead: 'name what it is (DESIGN §4)',
    under: ['src/', 'client/'],
    except: [],
  },
  {
    what: /\bsetTimeout\b|\bsetInterval\b|\bsleep\(/,
    instead: 'no test sleeps: ManualClock, until() (test/support/manual-clock.ts)',
    under: ['test/api/', 'test/app/', 'test/scenario/', 'test/contract/'],
    except: [],
  },
  {
    what: /\btest\.only\b|\bdescribe\.only\b|\bit\.only\b|\btest\.skip\b|\bit\.skip\b|\.todo\(/,
    instead: 'run it, or take it out and say so',
    under: ['src/', 'client/', 'test/'],
    except: [],
  },
]

const files = sourceFiles('src', 'client/src', 'test', 'scripts', 'bench')

for (const ban of BANS) {
  test(`${ban.what.source} is not used under ${ban.under.join(', ')}: ${ban.instead}`, () => {
    const found = files
      .filter(({ path }) => ban.under.some((prefix) => path.startsWith(prefix)) && !ban.except.includes(path))
      .flatMap(({ path, text }) =>
        codeOnly(text)
          .split('\n')
          .map((line, index) => ({ where: `${path}:${index + 1}`, line }))
          .filter(({ line }) => ban.what.test(line)),
      )
    expect(found.map(({ where, line }) => `${where} ${line.trim()}`)).toEqual([])
  })
}

test('source files stay under 400 lines', () => {
  const long = files.filter(
    ({ path, text }) =>
      /^(?:client\/)?src\//.test(path) && !path.endsWith('.test.ts') && text.split('\n').length > 401,
  )
  expect(long.map(({ path }) => path)).toEqual([])
})

test('no leftover marks of unfinished work', () => {
  const marked = files.filter(
    ({ path, text }) => /^(?:client\/)?src\//.test(path) && /\b(?:TODO|FIXME|XXX|HACK)\b/.test(text),
  )
  expect(marked.map(({ path }) => path)).toEqual([])
})
