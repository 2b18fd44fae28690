// Sends events to the collector in Segment's wire format. An event stays in localStorage, under its own key, until the
// collector confirms that it is stored. It is retried until then, and its messageId makes repetitions harmless.

import { person } from "./person.js"
import { randomId, shop } from "./shop.js"
import { lasting } from "./storage.js"

const ADDRESS = "/v1/batch"
const KEPT = "event:"
const MOST_BYTES = 50_000 // a call that outlives its page may have 64 kB
const MOST_EVENTS = 100
const TIMEOUT = 10_000
const FIRST_PAUSE = 1000
const LONGEST_PAUSE = 60_000

let sending = null
let underway = new Set()
let pause = FIRST_PAUSE
let retry = 0
let numbered = 0

export function track(event, properties = {}) {
  keep({ type: "track", event, properties })
}

export function identify(traits = {}) {
  keep({ type: "identify", traits })
}

export function page() {
  keep({ type: "page", name: document.body.dataset.page, properties: place() })
}

/** Announces an interaction with a product; recommendations shown elsewhere are outdated from now on. */
export function trackProduct(event, properties) {
  lasting.write("activity", randomId())
  track(event, properties)
}

/** Resolves when all events are stored, or after `milliseconds`, so that the next answer takes them into account. */
export function settled(milliseconds = 1500) {
  return Promise.race([flush(), new Promise((resolve) => setTimeout(resolve, milliseconds))])
}

export function waiting() {
  return lasting.names(KEPT).length
}

function place() {
  const { href, pathname, search } = window.location
  return { url: href, path: pathname, search, title: document.title, referrer: document.referrer }
}

function keep(call) {
  const consented = person.personalisation
  const event = {
    ...call,
    messageId: `shop-${randomId()}`,
    timestamp: new Date().toISOString(),
    anonymousId: person.anonymousId,
    ...(person.userId ? { userId: person.userId } : {}),
    context: {
      library: { name: "perennial-storefront", version: "1" },
      locale: shop.language,
      page: place(),
      sessionId: person.sessionId,
      ...(person.userToken ? { userToken: person.userToken } : {}),
      ...(consented === null ? {} : { consent: { categoryPreferences: { analytics: true, personalisation: consented } } }),
    },
  }
  // a number distinguishes events of the same millisecond, so that they are sent in order
  numbered += 1
  lasting.write(`${KEPT}${Date.now()}-${String(numbered).padStart(6, "0")}-${event.messageId}`, event)
  setTimeout(flush)
}

function flush() {
  sending ??= sendAll().finally(() => {
    sending = null
  })
  return sending
}

async function sendAll() {
  clearTimeout(retry)
  for (let batch = nextBatch(); batch.names.length; batch = nextBatch()) {
    underway = new Set(batch.names)
    const answer = await post(batch.events)
    underway.clear()
    if (!answer || answer.status >= 500 || answer.status === 429) return sendLater(answer?.headers.get("Retry-After"))
    if (!answer.ok) console.warn(`The collector refused ${batch.names.length} events: ${answer.status}`)
    batch.names.forEach((name) => lasting.remove(name))
    pause = FIRST_PAUSE
  }
}

async function post(events) {
  const body = bodyOf(events)
  const options = { method: "POST", headers: { "Content-Type": "text/plain" }, body, keepalive: body.length < 60_000 }
  try {
    const response = await fetch(ADDRESS, { ...options, signal: AbortSignal.timeout(TIMEOUT) })
    await response.arrayBuffer() // unread, the browser would keep the connection until the timeout
    return response
  } catch {
    return null // offline, or too slow: whether it arrived or not, it is sent again
  }
}

function sendLater(retryAfter) {
  const wait = Math.max(pause, Number(retryAfter) * 1000 || 0)
  pause = Math.min(pause * 2, LONGEST_PAUSE)
  retry = setTimeout(flush, wait)
}

/** Returns the oldest pending events that fit into one call. */
function nextBatch(but = new Set()) {
  const batch = { names: [], events: [] }
  let bytes = 0
  for (const name of lasting.names(KEPT).sort()) {
    const event = but.has(name) ? null : lasting.read(name)
    if (!event) continue
    bytes += JSON.stringify(event).length * 1.5 // Chinese takes three bytes per character
    if (batch.names.length && (bytes > MOST_BYTES || batch.names.length === MOST_EVENTS)) break
    batch.names.push(name)
    batch.events.push(event)
  }
  return batch
}

function bodyOf(batch) {
  return JSON.stringify({ batch, writeKey: shop.write_key, sentAt: new Date().toISOString() })
}

/** Hands pending events to the browser to send on unload; they stay stored, because the response cannot be read. */
function sendOnLeaving() {
  const { events } = nextBatch(underway)
  if (events.length) navigator.sendBeacon(ADDRESS, bodyOf(events))
}

window.addEventListener("pagehide", sendOnLeaving)
window.addEventListener("pageshow", (event) => {
  if (event.persisted) sending = null // what was underway when the page was put away may never end
})
window.addEventListener("online", flush)
if (waiting()) flush()
