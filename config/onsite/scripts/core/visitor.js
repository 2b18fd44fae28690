// The current visitor: the anonymous ID of this browser, the customer after a log-in, and the consent.

const COOKIE = "perennial_id"
const COOKIE_SECONDS = 31_536_000
const PURPOSES = ["analytics", "personalisation"]

/** Returns whether a purpose is allowed; without an answer of the visitor, as the option `consent` says. */
function isAllowed(purpose) {
  const given = lasting.read("consent", null)?.[purpose]
  return given ?? (config !== null && config.consent !== "required")
}

/** Returns where the visitor's IDs are stored; before a required consent only in memory. */
function storeOf(area) {
  return isAllowed("analytics") ? area : ofThisPage
}

function readCookie() {
  return document.cookie.split("; ").find((text) => text.startsWith(`${COOKIE}=`))?.slice(COOKIE.length + 1)
}

function writeCookie(value, seconds) {
  const secure = location.protocol === "https:" ? "; Secure" : ""
  document.cookie = `${COOKIE}=${value}; Path=/; Max-Age=${seconds}; SameSite=Lax${secure}`
}

const visitor = {
  get anonymousId() {
    const store = storeOf(lasting)
    const known = store.read("anonymous-id") ?? (store === lasting ? readCookie() : undefined)
    if (known) return known
    const id = `visitor-${randomId()}`
    if (!store.write("anonymous-id", id) && store === lasting) writeCookie(id, COOKIE_SECONDS)
    return id
  },

  get sessionId() {
    const store = storeOf(ofThisTab)
    const known = store.read("session-id")
    if (known) return known
    const id = randomId()
    store.write("session-id", id)
    return id
  },

  get userId() {
    return storeOf(lasting).read("user", {}).id ?? ""
  },

  /** Proof from the shop's server that this browser may speak for the customer. */
  get userToken() {
    return storeOf(lasting).read("user", {}).token ?? ""
  },

  /** {analytics, personalisation}, or null while the visitor has not answered. */
  get consent() {
    return lasting.read("consent", null)
  },

  /** Returns the IDs for requests; none without consent to personalization. */
  get identity() {
    if (!isAllowed("analytics") || !isAllowed("personalisation")) return {}
    return { anonymous_id: this.anonymousId, ...(this.userId ? { user_id: this.userId } : {}) }
  },
}

function setUser(id, token) {
  if (!id) return
  const before = storeOf(lasting).read("user", {})
  const known = before.id === id ? before.token : undefined
  storeOf(lasting).write("user", { id, token: token ?? known })
}

/** Removes all IDs of the visitor. */
function forgetVisitor() {
  for (const store of [lasting, ofThisPage]) for (const name of ["user", "anonymous-id"]) store.remove(name)
  for (const store of [ofThisTab, ofThisPage]) for (const name of ["session-id", "came-from"]) store.remove(name)
  if (readCookie()) writeCookie("", 0)
}

/** Switches personal recommendations on or off and leaves the other consent as it is. */
function setPersonalised(isWanted) {
  setConsent({ analytics: isAllowed("analytics"), personalisation: Boolean(isWanted) })
}

/** Stores the visitor's answer: true or false for all purposes, or {analytics, personalisation}. */
function setConsent(answer) {
  const before = { ...visitor.consent }
  const wasAllowed = isAllowed("analytics")
  const given = Object.fromEntries(
    PURPOSES.map((purpose) => [purpose, typeof answer === "boolean" ? answer : Boolean(answer?.[purpose] ?? before[purpose] ?? false)]),
  )
  const user = storeOf(lasting).read("user")
  const anonymousId = ofThisPage.read("anonymous-id")
  if (wasAllowed) announceConsent(given) // while it may still be sent
  lasting.write("consent", given)
  if (!given.analytics) {
    held.length = 0
    flush().finally(forgetVisitor)
  } else if (!wasAllowed) {
    if (anonymousId) lasting.write("anonymous-id", anonymousId)
    if (user) lasting.write("user", user)
    announceConsent(given)
    releaseHeld()
  }
  emit("consent", given)
  reloadRows()
}
