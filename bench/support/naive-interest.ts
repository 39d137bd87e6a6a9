/** Who watches whom as one would write it first: sets of strings, walked at every question. */
export class NaiveInterest {
  readonly connected = new Set<string>()
  readonly #members = new Map<string, Set<string>>()
  readonly #rooms = new Map<string, Set<string>>()

  join(roomId: string, userId: string): void {
    addTo(this.#members, roomId, userId)
    addTo(this.#rooms, userId, roomId)
  }

  /** Connected users who share a room with the user, each once. */
  watchers(userId: string): string[] {
    const watchers = new Set<string>()
    for (const roomId of this.#rooms.get(userId) ?? [])
      for (const other of this.#members.get(roomId) ?? [])
        if (other !== userId && this.connected.has(other)) watchers.add(other)
    return [...watchers]
  }
}

function addTo(sets: Map<string, Set<string>>, key: string, value: string): void {
  const set = sets.get(key)
  if (set === undefined) sets.set(key, new Set([value]))
  else set.add(value)
}
