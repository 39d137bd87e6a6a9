/** What happens between servers, for whoever counts it. Nothing of it names a server: there is no bound on their names. */
export type FederationEvent =
  /** Whoever refused is reachable; whoever failed is not, or asks for patience. */
  | { readonly kind: 'transaction sent'; readonly outcome: 'acknowledged' | 'refused' | 'failed' }
  /**
   * `left out`: all of it or a part. `failed`: a fault of ours, its server is to send it again. Types that mean nothing here are
   * `other`.
   */
  | {
      readonly kind: 'edu received'
      readonly type: string
      readonly outcome: 'taken' | 'left out' | 'failed'
    }
  /** A request that no server proved to be its own: by its header, for want of the key, by its signature. */
  | { readonly kind: 'request refused'; readonly by: 'header' | 'key' | 'signature' }

/** Called often: it is quick, and does not throw. */
export type ObserveFederation = (event: FederationEvent) => void
