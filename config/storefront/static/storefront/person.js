// Who is looking, as far as the shop knows: a visitor's id of this browser, a customer's id after logging in, and their consent.

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

  /** Whom to ask recommendations for; nobody, when they are not to be personal. */
  get identity() {
    if (this.personalisation === false) return {}
    return this.userId ? { user_id: this.userId, anonymous_id: this.anonymousId } : { anonymous_id: this.anonymousId }
  },

  become(userId) {
    lasting.write("user-id", userId)
  },

  /** The next visitor of this browser is a stranger. */
  leave() {
    for (const name of ["user-id", "anonymous-id"]) lasting.remove(name)
    for (const name of ["session-id", "came-from"]) ofThisTab.remove(name)
  },
}
