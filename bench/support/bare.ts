/**
 * The bare responder, a process of its own: parks every GET; a PUT with a size answers all of them with a body of that many
 * bytes, with the headers that the server sends, too. What it spends is node:http and the system, and nothing else.
 */
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

const HEADERS = {
  'access-control-allow-origin': '*',
  'access-control-allow-methods': 'GET, POST, PUT, DELETE, OPTIONS',
  'access-control-allow-headers': 'X-Requested-With, Content-Type, Authorization',
  'content-type': 'application/json',
}

const parked = new Set<ServerResponse>()

const server = createServer({ requestTimeout: 0, keepAliveTimeout: 75_000 }, (request, response) => {
  if (request.url === '/metrics') return send(response, Buffer.from(`adsum_sync_parked ${parked.size}\n`))
  if (request.method === 'PUT') {
    request.resume()
    release(Number(request.url?.slice(1)))
    return send(response, Buffer.from('{}'))
  }
  parked.add(response)
  response.on('close', () => parked.delete(response))
})

function release(bytes: number): void {
  const body = Buffer.alloc(bytes, ' ')
  for (const response of parked) send(response, body)
  parked.clear()
}

function send(response: ServerResponse, body: Buffer): void {
  response.writeHead(200, { ...HEADERS, 'content-length': String(body.length) })
  response.end(body)
}

process.on('SIGTERM', () => process.exit(0))
server.listen(0, '127.0.0.1', () => {
  process.stdout.write(`http://127.0.0.1:${(server.address() as AddressInfo).port}\n`)
})
