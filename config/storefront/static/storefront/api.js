// Calls the public API for the current visitor in the page's language, and caches the cards of products in its answers.

import { settled } from "./events.js"
import { person } from "./person.js"
import { shop } from "./shop.js"
import { ofThisTab } from "./storage.js"

const TIMEOUT = 8000
const PAUSES = [1000, 2000] // before a second and a third try
const NO_ANSWER = 0
const WORTH_A_WAIT = new Set([NO_ANSWER, 502, 503, 504])
const MOST_CARDS = 400
const BATCH_PATH = "recommendations/batch/"
const NOT_THERE = new Set([400, 404, 501]) // of a place that this server does not know

export class ApiError extends Error {
  constructor(status, message) {
    super(message)
    this.status = status
  }
}

/** Fetches an answer, with retries while the server is unavailable. */
async function get(path, parameters, signal) {
  const query = new URLSearchParams()
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== undefined && value !== null && value !== "") query.set(name, Array.isArray(value) ? value.join(",") : value)
  }
  const content = await retry(`/api/v1/${path}?${query}`, { signal })
  rememberCards(content.items ?? [])
  return content
}

async function retry(address, options) {
  for (const pause of [...PAUSES, null]) {
    try {
      return await fetchOnce(address, options)
    } catch (error) {
      if (pause === null || options.signal?.aborted || !WORTH_A_WAIT.has(error.status)) throw error
    }
    await new Promise((resolve) => setTimeout(resolve, pause))
  }
}

async function fetchOnce(address, { signal, body }) {
  const timeout = AbortSignal.timeout(TIMEOUT)
  let answer
  try {
    answer = await fetch(address, {
      ...(body ? { method: "POST", body: JSON.stringify(body) } : {}),
      headers: {
        ...(body ? { "Content-Type": "application/json" } : {}),
        Authorization: `Bearer ${shop.publishable_key}`,
        "Accept-Language": shop.language,
        ...(person.userToken ? { "X-User-Token": person.userToken } : {}),
      },
      credentials: "omit", // as the pages of a shop on another host
      signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
    })
  } catch (error) {
    if (signal?.aborted) throw error
    throw new ApiError(NO_ANSWER, String(error))
  }
  if (!answer.ok) throw new ApiError(answer.status, await answer.text())
  return answer.json()
}

/** Fetches recommendations for a placement; null if the server does not have that placement. */
export async function recommend(scenario, parameters = {}) {
  await settled()
  try {
    return await get(`recommendations/${scenario}/`, { ...person.identity, ...parameters })
  } catch (error) {
    if (NOT_THERE.has(error.status)) return null
    throw error
  }
}

/** Fetches the answers of several placements, no product in two of them; null if the server does not have one of them. */
export async function recommendTogether(placements) {
  await settled()
  try {
    const { placements: answers } = await retry(`/api/v1/${BATCH_PATH}`, { body: { ...person.identity, placements } })
    rememberCards(answers.flatMap((answer) => answer.items ?? []))
    return answers
  } catch (error) {
    if (NOT_THERE.has(error.status)) return null
    throw error
  }
}

/** Fetches products for a query or filters; null if search is not available. */
export async function search(parameters, { signal } = {}) {
  try {
    return await get("search/", { ...person.identity, personalised: person.personalisation !== false, ...parameters }, signal)
  } catch (error) {
    if (error.status === 404) return null
    throw error
  }
}

/** Returns cards by product id, in the given order: cached ones at once, the others from the search. */
export async function cardsOf(productIds) {
  const known = ofThisTab.read("cards", {})
  const missing = productIds.filter((id) => !known[id])
  if (missing.length) {
    const found = await search({ product_ids: missing, n: missing.length, facets: false, in_stock: false, explain: false })
    for (const item of found?.items ?? []) known[item.product_id] = item.product
  }
  return productIds.filter((id) => known[id]).map((id) => ({ product_id: id, product: known[id] }))
}

function rememberCards(items) {
  const known = ofThisTab.read("cards", {})
  for (const { product_id: id, product } of items) {
    delete known[id] // the newest stand last
    known[id] = product
  }
  ofThisTab.write("cards", Object.fromEntries(Object.entries(known).slice(-MOST_CARDS)))
}
