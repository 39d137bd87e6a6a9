/** What the tabs of one origin tell each other; one's own messages do not come back. */
export interface TabChannel {
  post(message: object): void
  listen(listener: (message: unknown) => void): void
  close(): void
}

/** A BroadcastChannel, or null where there is none. */
export function openChannel(name: string): TabChannel | null {
  const { BroadcastChannel, window } = globalThis as {
    BroadcastChannel?: new (name: string) => BroadcastChannelLike
    window?: unknown
  }
  // In Node there are no tabs, and an open channel would keep the process alive.
  if (BroadcastChannel === undefined || window === undefined) return null
  const channel = new BroadcastChannel(name)
  return {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- it reaches its own origin only
    post: (message) => channel.postMessage(message),
    listen: (listener) => channel.addEventListener('message', (event) => listener(event.data)),
    close: () => channel.close(),
  }
}

interface BroadcastChannelLike {
  postMessage(message: unknown): void
  addEventListener(type: 'message', listener: (event: { readonly data: unknown }) => void): void
  close(): void
}
