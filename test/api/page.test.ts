import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { connectRaw } from '../support/http.ts'
import { startServer, type TestServer } from '../support/server.ts'

const INDEX = '<!doctype html><title>Roll call</title>'
const SCRIPT = 'document.title = "ready"'

/** A folder as the build leaves it, and what must never be served beside and in it. */
function builtFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'adsum-built-'))
  mkdirSync(join(folder, 'dist', 'assets'), { recursive: true })
  writeFileSync(join(folder, 'secret.js'), 'secret')
  writeFileSync(join(folder, 'dist', 'index.html'), INDEX)
  writeFileSync(join(folder, 'dist', 'notes.txt'), 'notes')
  writeFileSync(join(folder, 'dist', 'assets', 'index-4f1e.js'), SCRIPT)
  writeFileSync(join(folder, 'dist', 'assets', 'index-4f1e.css'), 'body{}')
  writeFileSync(join(folder, 'dist', 'assets', 'icon-4f1e.svg'), '<svg/>')
  writeFileSync(join(folder, 'dist', 'assets', 'index-4f1e.js.map'), '{}')
  return folder
}

const UNKNOWN = { errcode: 'M_UNRECOGNIZED' }

describe('the roster page', () => {
  let folder: string
  let server: TestServer

  beforeAll(async () => {
    folder = builtFolder()
    server = await startServer({ pageFolder: join(folder, 'dist') })
  })

  afterAll(async () => {
    await server.close()
    rmSync(folder, { recursive: true })
  })

  test('the page is served at /, to be asked about each time', async () => {
    const page = await server.request('GET', '/')
    expect([page.status, page.text]).toEqual([200, INDEX])
    expect(page.headers.get('content-type')).toBe('text/html; charset=utf-8')
    expect(page.headers.get('cache-control')).toBe('no-cache')
    expect(page.headers.get('content-length')).toBe(String(INDEX.length))
  })

  test('assets are served with their types, for ever', async () => {
    const types = { js: 'text/javascript; charset=utf-8', css: 'text/css; charset=utf-8' }
    for (const [ending, type] of Object.entries(types)) {
      const asset = await server.request('GET', `/assets/index-4f1e.${ending}`)
      expect([asset.status, asset.headers.get('content-type')]).toEqual([200, type])
      expect(asset.headers.get('cache-control')).toBe('public, max-age=31536000, immutable')
    }
    const icon = await server.request('GET', '/assets/icon-4f1e.svg')
    expect(icon.headers.get('content-type')).toBe('image/svg+xml')
  })

  test('nothing but what this server sends may run in it, and nobody may frame it', async () => {
    for (const path of ['/', '/assets/index-4f1e.js']) {
      const { headers } = await server.request('GET', path)
      expect(headers.get('content-security-policy')?.split('; ')).toEqual([
        `default-src 'none'`,
        `script-src 'self'`,
        `style-src 'self'`,
        `img-src 'self' data:`,
        `connect-src 'self'`,
        `base-uri 'none'`,
        `form-action 'none'`,
        `frame-ancestors 'none'`,
      ])
      expect(headers.get('x-content-type-options')).toBe('nosniff')
      expect(headers.get('referrer-policy')).toBe('no-referrer')
    }
  })

  test('a client that holds this version is told so, without a body', async () => {
    for (const path of ['/', '/assets/index-4f1e.js']) {
      const etag = (await server.request('GET', path)).headers.get('etag') ?? ''
      expect(etag).toMatch(/^"[\w-]{22}"$/)
      for (const held of [etag, `W/${etag}`, `"other", ${etag}`, '*']) {
        const again = await server.request('GET', path, { headers: { 'if-none-match': held } })
        expect([again.status, again.text, again.headers.get('etag')]).toEqual([304, '', etag])
        expect(again.headers.get('content-length')).toBeNull()
        expect(again.headers.get('content-type')).toBeNull()
      }
      const other = await server.request('GET', path, { headers: { 'if-none-match': '"other"' } })
      expect(other.status).toBe(200)
    }
  })

  test('HEAD tells the same without the body; other methods are refused', async () => {
    const head = await server.request('HEAD', '/')
    expect([head.status, head.text]).toEqual([200, ''])
    expect(head.headers.get('content-length')).toBe(String(INDEX.length))
    const post = await server.request('POST', '/', { body: {} })
    expect([post.status, post.headers.get('allow')]).toEqual([405, 'GET, OPTIONS'])
  })

  test('P-010 everything else stays unknown', async () => {
    const paths = [
      '/index.html',
      '/secret.js',
      '/notes.txt',
      '/assets',
      '/assets/',
      '/assets/other.js',
      '/assets/index-4f1e.js.map',
      '/assets/%2e%2e/index.html',
      '/assets/..%2findex.html',
      '/assets/__proto__',
      '/favicon.ico',
    ]
    for (const path of paths) {
      const { status, body } = await server.request('GET', path)
      expect([path, status, body]).toMatchObject([path, 404, UNKNOWN])
    }
  })

  test('no path leads out of the folder, not even one that no client would send', async () => {
    const { hostname, port } = new URL(server.url)
    for (const path of ['/assets/../../secret.js', '/../secret.js', '/assets//../../secret.js']) {
      const raw = await connectRaw({ url: server.url, host: hostname, port: Number(port), resources: [] })
      raw.write(`GET ${path} HTTP/1.1\r\nhost: home.example\r\nconnection: close\r\n\r\n`)
      await expect.poll(() => raw.closed).toBe(true)
      expect(raw.text).toMatch(/^HTTP\/1\.1 404 /)
      expect(raw.text).not.toContain('secret"')
    }
  })
})

test('a server without a built page starts, says so, and knows no page', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'adsum-built-'))
  const server = await startServer({ pageFolder: join(folder, 'dist') })
  expect(server.complaints).toEqual([expect.stringContaining('there is no roster page at /')])
  const page = await server.request('GET', '/')
  expect([page.status, page.body]).toMatchObject([404, UNKNOWN])
  expect((await server.request('GET', '/health')).status).toBe(200)
  await server.close()
  rmSync(folder, { recursive: true })
})

test('a server that does not serve the resource "web" neither reads nor misses the page', async () => {
  const folder = builtFolder()
  const config = { listeners: [{ port: 0, resources: ['client'] }] }
  for (const pageFolder of [join(folder, 'dist'), join(folder, 'nothing')]) {
    const server = await startServer({ pageFolder, config })
    expect((await server.request('GET', '/')).status).toBe(404)
    expect(server.complaints).toEqual([])
    await server.close()
  }
  rmSync(folder, { recursive: true })
})
