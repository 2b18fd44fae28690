// The shop's events, sent by perennial.js.

import { perennial } from "./onsite.js"
import { randomId } from "./shop.js"
import { lasting } from "./storage.js"

export const { track, settle: settled, countPending: waiting } = perennial

export function page() {
  perennial.page(document.body.dataset.page)
}

/** Announces an interaction with a product; recommendations shown elsewhere are outdated from now on. */
export function trackProduct(event, properties) {
  lasting.write("activity", randomId())
  track(event, properties)
}
