import { readFileSync } from 'node:fs'

/** Of package.json: the same distance from the sources and from `dist`. */
export function version(): string {
  const file = new URL('../../package.json', import.meta.url)
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version
}
