import type { OwnState } from '@adsum/client'
import { useConnection, useFeatures, useOwnPresence } from '@adsum/client/react'
import { AVAILABILITY_NAMES, type Availability } from './availability.ts'
import { CopyId } from './copy-id.tsx'
import { nameOf } from './initials.ts'
import { ownAvailability } from './own-availability.ts'
import { Portrait } from './portrait.tsx'
import { PresenceDot } from './presence-dot.tsx'
import { Problem } from './problem.tsx'
import { problemOf } from './act.ts'
import { StatusText } from './status-text.tsx'

/** Oneself: what others are told. */
export function StatusEditor() {
  const own = useOwnPresence()
  const connection = useConnection()
  const availability = ownAvailability(own, connection)
  const person = { userId: own.userId, displayname: own.published.displayname }
  return (
    <section class="own" aria-labelledby="own-title">
      <div class="own-head">
        <Portrait person={person} availability={availability} />
        <div>
          <h2 id="own-title">
            <bdi>{nameOf(person)}</bdi>
          </h2>
          <CopyId userId={own.userId} />
        </div>
      </div>
      <StateChoice />
      <p class="hint">{hintText(availability, own.isIdle)}</p>
      <StatusText />
      <Problem text={own.error === undefined ? '' : problemOf(own.error)} />
    </section>
  )
}

function StateChoice() {
  const own = useOwnPresence()
  const { busy, freeForChat, hidden } = useFeatures()
  const states: readonly (OwnState & Availability)[] = [
    'online',
    ...(freeForChat ? (['free_for_chat'] as const) : []),
    ...(busy ? (['busy'] as const) : []),
    'unavailable',
    hidden ? 'hidden' : 'offline',
  ]
  const choose = (state: OwnState): void => {
    // What went wrong stands in `own.error`.
    own.setPresence({ state }).catch(() => {})
  }
  return (
    <fieldset class="states">
      <legend class="unseen">Your state</legend>
      {states.map((state) => (
        <label key={state}>
          <input
            type="radio"
            name="state"
            value={state}
            checked={own.state === state}
            onChange={() => choose(state)}
          />
          <PresenceDot availability={state} label={null} />
          {AVAILABILITY_NAMES[state]}
        </label>
      ))}
    </fieldset>
  )
}

function hintText(availability: Availability, isIdle: boolean): string {
  if (availability === 'hidden') return 'Everyone sees you offline. You still see them.'
  if (availability === 'offline') return 'Others see you offline.'
  if (availability === 'busy') return 'You stay busy, also while you are away.'
  if (isIdle) return 'You have been away: others see you idle until you come back.'
  if (availability === 'unknown') return 'What others see of you is unknown.'
  if (availability === 'unavailable') return 'Others see you idle until you choose something else.'
  return 'After three minutes away you are shown as idle.'
}
