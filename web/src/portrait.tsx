import type { Availability } from './availability.ts'
import { initialsOf, nameOf, tintOf } from './initials.ts'
import { PresenceDot } from './presence-dot.tsx'

/** Initials in the place of a picture (this server keeps no media), with the state at their corner. */
export function Portrait({
  person,
  availability,
}: {
  readonly person: { readonly userId: string; readonly displayname?: string | undefined }
  readonly availability?: Availability
}) {
  return (
    <span class="portrait">
      <span class="initials" data-tint={tintOf(person.userId)} aria-hidden="true">
        {initialsOf(nameOf(person))}
      </span>
      {availability !== undefined && <PresenceDot availability={availability} />}
    </span>
  )
}
