import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const made = new Set<string>()

process.on('exit', () => made.forEach(removeFolder))

/** A folder of its own for what a bench writes; gone when the process ends, if not before. */
export function makeFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'adsum-bench-'))
  made.add(folder)
  return folder
}

export function removeFolder(folder: string): void {
  rmSync(folder, { recursive: true, force: true })
  made.delete(folder)
}
