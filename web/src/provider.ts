import type { ComponentChildren, FunctionComponent } from 'preact'
import type { PresenceClient } from '@adsum/client'
import { PresenceProvider } from '@adsum/client/react'

/** Built against Preact the two are the same; only their types disagree about what a child is. */
export const Provider = PresenceProvider as unknown as FunctionComponent<{
  readonly client: PresenceClient
  readonly children: ComponentChildren
}>
