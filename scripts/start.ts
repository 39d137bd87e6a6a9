/**
 * `npm start`: builds the roster page if there is none or its sources are newer, then serves, in this process, so that
 * signals and arguments reach the server. A page that cannot be built stops nobody: the server says that it has none.
 */
import { isPageFresh, buildPage } from './page.ts'

const [command = 'serve'] = process.argv.slice(2)
const serves = command === 'serve' || command.startsWith('-')

if (serves && !isPageFresh() && !buildPage())
  process.stderr.write('The roster page could not be built (see above); the server starts without it.\n')

await import('../src/main.ts')
