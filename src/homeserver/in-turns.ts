/** Rooms read before other requests get their turn. */
const ROOMS_PER_TURN = 32

/** The same rooms, one by one, with the event loop let go on after every few of them. */
export async function* inTurns<Room>(rooms: Iterable<Room>): AsyncGenerator<Room, void, undefined> {
  let left = ROOMS_PER_TURN
  for (const room of rooms) {
    left -= 1
    if (left === 0) {
      await new Promise((resolve) => setImmediate(resolve))
      left = ROOMS_PER_TURN
    }
    yield room
  }
}
