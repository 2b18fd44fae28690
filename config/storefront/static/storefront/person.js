// The current visitor, as perennial.js knows them: the IDs and the consent to personalization.

import { perennial } from "./onsite.js"

const { visitor } = perennial

export const person = {
  get anonymousId() {
    return visitor.anonymousId
  },

  get userId() {
    return visitor.userId
  },

  get userToken() {
    return visitor.userToken
  },

  get sessionId() {
    return visitor.sessionId
  },

  /** true, false, or null while the visitor has not answered. */
  get personalisation() {
    return visitor.consent?.personalisation ?? null
  },

  set personalisation(given) {
    perennial.consent({ analytics: true, personalisation: given })
  },

  /** Returns the ids for recommendation requests; none if personalization is off. */
  get identity() {
    return visitor.identity
  },

  /** Logs a customer in with the token of the shop's server. */
  become(userId, userToken) {
    perennial.identify(userId, {}, { userToken })
  },

  /** Resets the ids, so that the next visitor of this browser is unknown. */
  leave() {
    return perennial.reset()
  },
}
