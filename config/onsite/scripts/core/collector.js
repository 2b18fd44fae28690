// Sends events to the collector in Segment's format. An event stays in localStorage, under its own name, until the collector
// confirms that it is stored. It is sent again until then, and its messageId makes repetitions harmless.

const KEPT = "event:"
const MOST_KEPT = 1000 // while the visitor is offline; the oldest are dropped
const MOST_HELD = 100 // before the consent
const MOST_BYTES = 50_000 // a call that outlives its page may have 64 kB
const MOST_EVENTS = 100
const TIMEOUT = 10_000
const FIRST_PAUSE = 1000
const LONGEST_PAUSE = 60_000
const UNTIL_SENT = 200 // milliseconds to collect events for one call

const held = []
let sending = null
let underway = []
let pause = FIRST_PAUSE
let timer = 0
let numbered = 0

function page(name, properties = {}) {
  const given = typeof name === "string" ? name : document.title
  const { title, ...place } = describePage()
  record({ type: "page", name: given, properties: { ...place, title, ...(typeof name === "object" ? name : properties) } })
}

/** Returns false if the visitor does not allow it, and the event is dropped. */
function track(event, properties = {}) {
  return record({ type: "track", event, properties: { ...originOf(properties.product_id), ...properties } })
}

/** `identify("customer-42", { plan: "gold" }, { userToken })`, or only traits. */
function identify(userId, traits = {}, options = {}) {
  if (typeof userId === "object") return record({ type: "identify", traits: userId ?? {} })
  setUser(String(userId), options.userToken)
  record({ type: "identify", traits })
  emit("visitor", { userId })
}

/** Sends what is pending, then makes the next visitor of this browser unknown. */
async function reset() {
  await settle(3000)
  forgetVisitor()
  emit("visitor", { userId: "" })
  reloadRows()
}

function announceConsent(given) {
  const { personalisation, analytics } = given
  record({ type: "track", event: "Consent Preference Updated", properties: { analytics, personalisation } }, given)
}

function describePage() {
  const { href, pathname, search } = location
  return { url: href, path: pathname, search, title: document.title, referrer: document.referrer }
}

/** Keeps an event, or holds it until the consent; returns false if the visitor has refused, and it is dropped. */
function record(call, consent = null) {
  const event = { ...call, messageId: `onsite-${randomId()}`, timestamp: new Date().toISOString(), page: describePage() }
  if (config !== null && isAllowed("analytics")) keep(event, consent)
  else if (config === null || visitor.consent === null) held.splice(0, held.length, ...[...held, event].slice(-MOST_HELD))
  else return false
  return true
}

/** Stores the events that waited for the configuration or the consent. */
function releaseHeld() {
  if (config === null || !isAllowed("analytics")) return
  for (const event of held.splice(0)) keep(event)
}

function keep({ page: place, ...event }, consent) {
  const given = consent ?? visitor.consent
  const context = {
    library: { name: "perennial.js", version: VERSION },
    locale: config.language,
    page: place,
    sessionId: visitor.sessionId,
    ...(visitor.userToken ? { userToken: visitor.userToken } : {}),
    ...(given ? { consent: { categoryPreferences: given } } : {}),
  }
  const identity = { anonymousId: visitor.anonymousId, ...(visitor.userId ? { userId: visitor.userId } : {}) }
  const names = lasting.names(KEPT)
  for (const name of names.slice(0, Math.max(0, names.length - MOST_KEPT + 1))) lasting.remove(name)
  // a number distinguishes events of the same millisecond, so that they are sent in order
  numbered += 1
  lasting.write(`${KEPT}${Date.now()}-${String(numbered).padStart(6, "0")}-${event.messageId}`, { ...event, ...identity, context })
  if (timer === 0) sendLater(UNTIL_SENT)
}

function countPending() {
  return lasting.names(KEPT).length
}

/** Sends all events; resolves when the collector has stored them, or when it cannot be reached. */
function flush() {
  sending ??= sendAll().finally(() => {
    sending = null
  })
  return sending
}

/** Resolves when all events are stored, or after `milliseconds`, so that the next answer takes them into account. */
function settle(milliseconds = 1500) {
  return Promise.race([flush(), new Promise((resolve) => setTimeout(resolve, milliseconds))])
}

async function sendAll() {
  clearTimeout(timer)
  timer = 0
  if (config === null) return
  for (let batch = nextBatch(); batch.names.length; batch = nextBatch()) {
    underway = batch.names
    const response = await postEvents(batch.events)
    underway = []
    if (!response || response.status >= 500 || response.status === 429) {
      const wait = Math.max(pause * (0.75 + Math.random() / 2), Number(response?.headers.get("Retry-After")) * 1000 || 0)
      pause = Math.min(pause * 2, LONGEST_PAUSE)
      return sendLater(wait)
    }
    if (!response.ok) console.warn(`Perennial: the collector refused ${batch.names.length} events (${response.status})`)
    for (const name of batch.names) lasting.remove(name)
    pause = FIRST_PAUSE
  }
}

function sendLater(wait) {
  clearTimeout(timer)
  timer = setTimeout(() => {
    timer = 0 // also if a call is underway, whose `sendAll` has begun before: the next event has to start a timer again
    flush()
  }, wait)
}

async function postEvents(events) {
  const body = buildBody(events)
  try {
    const response = await fetch(`${config.host}/v1/batch`, {
      method: "POST",
      headers: { "Content-Type": "text/plain" }, // needs no preflight request
      body,
      credentials: "omit",
      keepalive: body.length < 60_000,
      signal: AbortSignal.timeout(TIMEOUT),
    })
    await response.arrayBuffer() // unread, the browser would keep the connection until the timeout
    return response
  } catch {
    return null // offline, or too slow: whether it arrived or not, it is sent again
  }
}

/** Returns the oldest pending events that fit into one call. */
function nextBatch(except = []) {
  const batch = { names: [], events: [] }
  let bytes = 0
  for (const name of lasting.names(KEPT)) {
    const event = except.includes(name) ? null : lasting.read(name)
    if (!event) continue
    bytes += JSON.stringify(event).length * 1.5 // Chinese takes three bytes per character
    if (batch.names.length && (bytes > MOST_BYTES || batch.names.length === MOST_EVENTS)) break
    batch.names.push(name)
    batch.events.push(event)
  }
  return batch
}

function buildBody(batch) {
  return JSON.stringify({ batch, writeKey: config.writeKey, sentAt: new Date().toISOString() })
}

// Hands pending events to the browser when the page is left; they stay stored, because the response cannot be read.
addEventListener("pagehide", () => {
  const { events } = config === null ? { events: [] } : nextBatch(underway)
  if (events.length) navigator.sendBeacon(`${config.host}/v1/batch`, buildBody(events))
})
addEventListener("pageshow", (event) => {
  if (event.persisted) sending = null // what was underway when the page was put away may never end
})
addEventListener("online", () => flush())
