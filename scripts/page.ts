/** The roster page as built files: are they there, are they newer than what they are made of, make them. */
import { spawnSync } from 'node:child_process'
import { readdirSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
/** Where the server looks for the page. */
const BUILT = join(ROOT, 'web/dist')

/** Everything that ends up in the page, or decides how. */
const SOURCES = ['web', 'client/src', 'client/package.json', 'package-lock.json']
const NOT_SOURCES = /\/(?:dist|node_modules|screenshots)$|\.test\.tsx?$/

/** Was the page built after its sources were last changed? `root` is the project's folder. */
export function isPageFresh(root = ROOT): boolean {
  const built = statSync(join(root, 'web/dist/index.html'), { throwIfNoEntry: false })
  return built !== undefined && SOURCES.every((source) => changedTs(root, source) <= built.mtimeMs)
}

/** Runs the build in a process of its own, whose memory is then free again. False if it failed; it has said why. */
export function buildPage(folder = BUILT): boolean {
  try {
    const manifest = createRequire(join(ROOT, 'web/package.json')).resolve('vite/package.json')
    const vite = join(dirname(manifest), 'bin/vite.js')
    const options = ['--outDir', folder, '--emptyOutDir', '--logLevel', 'warn', '--configLoader', 'native']
    const build = [vite, 'build', join(ROOT, 'web'), ...options]
    return spawnSync(process.execPath, build, { stdio: ['ignore', 'inherit', 'inherit'] }).status === 0
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
    return false
  }
}

/** When the source, or the last of the files in it, was changed; 0 if it is not there. */
function changedTs(root: string, source: string): number {
  if (NOT_SOURCES.test(source)) return 0
  const path = join(root, source)
  const stat = statSync(path, { throwIfNoEntry: false })
  if (stat === undefined) return 0
  if (!stat.isDirectory()) return stat.mtimeMs
  return readdirSync(path).reduce((newest, name) => Math.max(newest, changedTs(root, `${source}/${name}`)), 0)
}
