// Configuration, parts that are loaded when a page uses them, and the public object `perennial`.

const SCRIPT = document.currentScript
const loading = new Map()
const parts = new Map()
let config = null

/** Loads a part once: a script with an integrity hash from the host of this one. */
function load(name) {
  if (!loading.has(name)) {
    loading.set(
      name,
      new Promise((resolve, reject) => {
        const [file, integrity] = PARTS[name]
        const url = `${config.host}/perennial/v1/${file}`
        const properties = { async: true, crossorigin: "anonymous", integrity, nonce: SCRIPT?.nonce || null }
        const script = h("script", { ...properties, onload: () => resolve(parts.get(name)), onerror: () => reject(new Error(`${file} was not loaded`)) })
        script.src = trustUrl(url)
        document.head.append(script)
      }),
    )
  }
  return loading.get(name)
}

/** Returns a URL for a script's src, which pages with Trusted Types accept only from a policy. */
function trustUrl(url) {
  trustUrl.policy ??= window.trustedTypes?.createPolicy("perennial", { createScriptURL: (text) => text }) ?? null
  return trustUrl.policy?.createScriptURL(url) ?? url
}

/** Called by a part: `setUp` gets the functions of the core and returns the part's own. */
function define(name, setUp) {
  const functions = { h, makeTexts, cleanUrl, linkOf, formatMoney, addStyles, emit, track, identify, settle, request, isAllowed, storeOf, randomId }
  parts.set(name, setUp({ config, visitor, lasting, ofThisTab, reportClick, reportWhenVisible, ...functions }))
}

/** Fills the elements of the snippet that are new below `root`. */
function scan(root = document) {
  if (config === null) return
  scanRows(root)
  for (const name of Object.keys(PARTS)) {
    if (root.querySelector(`[data-perennial-${name}]`)) load(name).then((part) => part.scan(root), (error) => console.warn(`Perennial: ${error.message}`))
  }
}

/** Starts with `{ host, writeKey, publishableKey, consent, language, userId, userToken, autoPage, styles, card, productUrl }`. */
function init(options) {
  if (config !== null) return
  const language = document.documentElement.lang || navigator.language || "en"
  const host = perennial.host ?? (SCRIPT ? new URL(SCRIPT.src).origin : location.origin)
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))
  config = { host, consent: "implied", language, autoPage: true, ...given }
  config.host = config.host.replace(/\/$/, "")
  if (config.userId) setUser(config.userId, config.userToken)
  addStyles(STYLES)
  releaseHeld()
  if (config.autoPage) page()
  if (countPending()) flush()
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", () => scan())
  else scan()
}

const queued = Array.isArray(globalThis.perennial) ? globalThis.perennial : []

const perennial = {
  version: VERSION,
  init,
  page,
  track,
  identify,
  reset,
  consent: setConsent,
  personalise: setPersonalised,
  visitor,
  recommend,
  request,
  scan,
  load,
  define,
  reload: reloadRows,
  flush,
  settle,
  countPending,
  reportWhenVisible,
  reportImpression,
  reportClick,
  originOf,
  /** Calls of the time before this script was loaded: `perennial.push(["track", "Product Viewed", {…}])`. */
  push(...calls) {
    for (const [name, ...values] of calls) perennial[name]?.(...values)
  },
}
globalThis.perennial = perennial

if (SCRIPT?.dataset.writeKey) {
  const { writeKey, publishableKey, consent, language, userId, userToken, page: autoPage, styles, host } = SCRIPT.dataset
  const texts = { writeKey, publishableKey, consent, language, userId, userToken, host }
  const given = Object.fromEntries(Object.entries(texts).filter(([, value]) => value))
  init({ ...given, autoPage: autoPage !== "off", styles: styles !== "off" })
}
perennial.push(...queued)
