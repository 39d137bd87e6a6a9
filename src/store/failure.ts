/**
 * Why the store could not do what it was told. `conflict`: a value that must be unique exists already; `closed`: called
 * after `close`; `locked`: another process serves this database; `newer`: a later version of the software wrote it;
 * `overloaded`: too many commits wait already; `unusable`: it is damaged, or the disk is full or gone.
 */
export type StoreFailureReason = 'conflict' | 'closed' | 'locked' | 'newer' | 'overloaded' | 'unusable'

/** What every adapter makes of its library's errors. The message is a sentence for the operator's log, never for clients. */
export class StoreFailure extends Error {
  override readonly name = 'StoreFailure'
  readonly reason: StoreFailureReason

  constructor(reason: StoreFailureReason, message: string, options?: ErrorOptions) {
    super(message, options)
    this.reason = reason
  }
}
