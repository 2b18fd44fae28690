// The current visitor: the anonymous id of this browser, the user id after log-in, and the consent.

import { randomId } from "./shop.js"
import { lasting, ofThisTab } from "./storage.js"

export const person = {
  get anonymousId() {
    const known = lasting.read("anonymous-id")
    if (known) return known
    const made = `visitor-${randomId()}`
    lasting.write("anonymous-id", made)
    return made
  },

  get userId() {
    return lasting.read("user-id", "")
  },

  /** Proof from the shop's server that this browser may speak for the customer. */
  get userToken() {
    return lasting.read("user-token", "")
  },

  /** true, false, or null while the visitor has not answered. */
  get personalisation() {
    return lasting.read("personalisation", null)
  },

  set personalisation(given) {
    lasting.write("personalisation", given)
  },

  get sessionId() {
    const known = ofThisTab.read("session-id")
    if (known) return known
    const made = randomId()
    ofThisTab.write("session-id", made)
    return made
  },

  /** Returns the ids for recommendation requests; none if personalization is off. */
  get identity() {
    if (this.personalisation === false) return {}
    if (!this.userId) return { anonymous_id: this.anonymousId }
    return { user_id: this.userId, anonymous_id: this.anonymousId }
  },

  become(userId, userToken) {
    lasting.write("user-id", userId)
    lasting.write("user-token", userToken)
  },

  /** Resets the ids, so that the next visitor of this browser is unknown. */
  leave() {
    for (const name of ["user-id", "user-token", "anonymous-id"]) lasting.remove(name)
    for (const name of ["session-id", "came-from"]) ofThisTab.remove(name)
  },
}
