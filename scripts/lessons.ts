/** What other servers got wrong (one trap a row, known by its number), and which of it has no test yet because its work has not begun. */
import { sourceFiles } from './tree.ts'

export interface Lesson {
  readonly id: string
  readonly trap: string
  /** What the test waits for; absent: a test on a whole server names the lesson. */
  readonly waitsFor?: string
}

export const LESSONS: readonly Lesson[] = [
  { id: 'L-01', trap: 'a quiet, connected client flaps offline between its polls' },
  { id: 'L-02', trap: 'a rate-limited sync does not count as being connected' },
  { id: 'L-03', trap: 'one device catches another’s busy' },
  { id: 'L-04', trap: 'the status text is wiped by another device, a sync or a restart' },
  { id: 'L-05', trap: 'appearing offline leaks activity, or is undone by the next sync' },
  { id: 'L-06', trap: 'receipts of an idle client become a broadcast each' },
  { id: 'L-07', trap: 'the wrong things count as activity' },
  { id: 'L-08', trap: 'what comes in is stored unchecked: made-up states, texts without end' },
  { id: 'L-09', trap: 'user IDs of an EDU are not held against its origin' },
  { id: 'L-10', trap: 'presence is lost when its transaction fails' },
  { id: 'L-11', trap: 'all keep-alives fall into the same minute' },
  { id: 'L-12', trap: 'a change does not wake a parked sync' },
  { id: 'L-13', trap: 'timers are configured and never used, or late' },
  { id: 'L-14', trap: 'GET status asks nobody’s leave, or tells who exists' },
  { id: 'L-15', trap: 'invitees see and are seen; excluded rooms leak' },
  { id: 'L-16', trap: 'catching up after a gap loses users' },
  { id: 'L-17', trap: 'two devices that disagree make sync a tight loop' },
  { id: 'L-18', trap: 'work and memory that grow without a bound' },
  { id: 'L-19', trap: 'the deactivated and logged-out stay online until a time-out' },
  {
    id: 'L-20',
    trap: 'an application service sets presence outside its namespace',
    waitsFor: 'application services',
  },
  { id: 'L-21', trap: 'invites are accepted by the server, grants never end' },
  { id: 'L-22', trap: 'the tests are green and the timers do not exist' },
]

/** Folders whose tests run whole servers. */
const WHOLE_SERVERS = ['test/api', 'test/app', 'test/federation', 'test/scenario', 'test/e2e']
/** The ids at the head of a test name, rules and lessons. */
const NAME = /\(\s*(['"`])((?:(?:[PR]-\d{3}[a-z]?|L-\d\d)[ ,]+)+)/g

/** Lesson → the files with a whole-server test that names it. */
export function shownLessons(): Map<string, Set<string>> {
  const shown = new Map<string, Set<string>>()
  for (const { path, text } of sourceFiles('test')) {
    if (!path.endsWith('.test.ts') || !WHOLE_SERVERS.some((folder) => path.startsWith(`${folder}/`))) continue
    for (const match of text.matchAll(NAME))
      for (const id of (match[2] ?? '').match(/L-\d\d/g) ?? [])
        shown.set(id, (shown.get(id) ?? new Set()).add(path))
  }
  return shown
}
