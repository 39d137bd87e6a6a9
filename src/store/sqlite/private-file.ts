import { closeSync, mkdirSync, openSync } from 'node:fs'
import { dirname } from 'node:path'

const ONLY_OWNER_FILE = 0o600
const ONLY_OWNER_FOLDER = 0o700

/**
 * Creates an empty file that only its owner may read, and its folder; what is there already is left as it is, unopened:
 * closing any handle of a file would drop the locks that this process holds on it.
 */
export function createPrivateFile(path: string): void {
  mkdirSync(dirname(path), { recursive: true, mode: ONLY_OWNER_FOLDER })
  try {
    closeSync(openSync(path, 'wx', ONLY_OWNER_FILE))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
}
