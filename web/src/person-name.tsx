import { nameOf } from './initials.ts'

/** Name and ID, each kept from turning the direction of what stands beside it. */
export function PersonName({
  person,
}: {
  readonly person: { readonly userId: string; readonly displayname?: string | undefined }
}) {
  return (
    <span class="who">
      <bdi class="name">{nameOf(person)}</bdi> <bdi class="user-id">{person.userId}</bdi>
    </span>
  )
}
