import { connect, type Socket } from 'node:net'

export interface Answer {
  readonly status: number
  readonly body: string
}

/**
 * A client on one raw socket: writes a request, hands over the answer, and may be asked again. It reads as little of HTTP as
 * the two servers that it talks to need, so that the load costs less than what it loads.
 */
export class Poller {
  readonly #socket: Socket
  #pending = ''
  #onAnswer: ((answer: Answer) => void) | null = null
  #onFailure: (error: Error) => void

  constructor(socket: Socket, onFailure: (error: Error) => void) {
    this.#socket = socket
    this.#onFailure = onFailure
    socket.setNoDelay(true)
    socket.setEncoding('latin1')
    socket.on('data', (chunk: string) => this.#read(chunk))
    socket.on('error', (error) => this.#fail(error))
    socket.on('close', () => this.#fail(new Error('the server closed a connection')))
  }

  /** A whole request, headers and body; one at a time. */
  ask(request: string, onAnswer: (answer: Answer) => void): void {
    this.#onAnswer = onAnswer
    this.#socket.write(request, 'latin1')
  }

  answer(request: string): Promise<Answer> {
    return new Promise((resolve) => this.ask(request, resolve))
  }

  /** The connection is dropped, whatever waits. */
  drop(): Promise<void> {
    this.#onFailure = () => {}
    if (this.#socket.closed) return Promise.resolve()
    const closed = new Promise<void>((resolve) => this.#socket.once('close', () => resolve()))
    this.#socket.destroy()
    return closed
  }

  #read(chunk: string): void {
    const text = this.#pending + chunk
    const head = text.indexOf('\r\n\r\n')
    const length = head < 0 ? NaN : Number(/content-length: (\d+)/i.exec(text)?.[1])
    // Waits for the rest; an answer without a length would wait for ever.
    if (head >= 0 && Number.isNaN(length)) return this.#fail(new Error('an answer without a length'))
    if (head < 0 || text.length < head + 4 + length) {
      this.#pending = text
      return
    }
    this.#pending = ''
    const answered = this.#onAnswer
    this.#onAnswer = null
    answered?.({ status: Number(text.slice(9, 12)), body: text.slice(head + 4) })
  }

  #fail(error: Error): void {
    this.#onFailure(error)
  }
}

export function openPoller(port: number, onFailure: (error: Error) => void): Promise<Poller> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1' })
    socket.once('error', reject)
    socket.once('connect', () => {
      socket.off('error', reject)
      resolve(new Poller(socket, onFailure))
    })
  })
}

/** One request on a connection of its own. */
export async function askOnce(port: number, request: string): Promise<Answer> {
  const failed = Promise.withResolvers<never>()
  const poller = await openPoller(port, (error) => failed.reject(error))
  const answered = new Promise<Answer>((resolve) => poller.ask(request, resolve))
  try {
    return await Promise.race([answered, failed.promise])
  } finally {
    await poller.drop()
  }
}
