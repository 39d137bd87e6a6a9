import type { Destinations } from '../ports/destinations.ts'

/** Of a server that tells others nothing (`federation.enabled`, `presence.federation_out`). */
export const silentDestinations: Destinations = {
  offerPresence() {},
  answerPresence() {},
  offerPolls() {},
  offerLists() {},
  heardFrom() {},
}
