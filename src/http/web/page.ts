import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { extname, join, sep } from 'node:path'

/** A file of the built page, as it will be sent. */
export interface PageFile {
  readonly body: Buffer
  readonly contentType: string
  /** Quoted, as it stands in the header. */
  readonly etag: string
}

/** The built page by path below its folder, with `/`: `index.html`, `assets/…`. What is not in it does not exist. */
export type Page = ReadonlyMap<string, PageFile>

/** What the build makes; a file of another kind is not served. */
const CONTENT_TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
}

/**
 * Reads the folder once, so that a path in a request is only ever looked up in a table and never reaches the file system.
 * Null if nothing was built there.
 */
export function readPage(folder: string): Page | null {
  const page = new Map<string, PageFile>()
  for (const name of filesBelow(folder)) {
    const contentType = CONTENT_TYPES[extname(name)]
    if (contentType === undefined) continue
    const body = readFileSync(join(folder, name))
    const etag = `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"`
    page.set(name.replaceAll(sep, '/'), { body, contentType, etag })
  }
  return page.has('index.html') ? page : null
}

function filesBelow(folder: string): string[] {
  try {
    return readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name).slice(join(folder, sep).length))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}
