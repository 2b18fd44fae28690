// Requests recommendations and products by the generated client, those of a whole page by perennial.js, and caches the cards of products.

import { Client } from "./client/index.js"
import { settled } from "./events.js"
import { perennial } from "./onsite.js"
import { person } from "./person.js"
import { shop } from "./shop.js"
import { ofThisTab } from "./storage.js"

const TIMEOUT = 25_000 // with the retries: as long as a server takes to restart and to load its model
const RETRIES = 6
const MOST_CARDS = 400
const NOT_THERE = new Set([400, 404, 501]) // of a place that this server does not know

const client = new Client({
  url: window.location.origin,
  key: shop.publishable_key,
  language: shop.language,
  timeout: TIMEOUT,
  retries: RETRIES,
  userToken: () => (person.identity.user_id ? person.userToken : ""), // without a consent, requests name nobody
})

/** Fetches recommendations for a placement; null if the server does not have that placement. */
export async function recommend(scenario, parameters = {}) {
  await settled()
  try {
    const answer = await client.recommendations(withoutEmpty({ scenario, ...person.identity, ...parameters }))
    rememberCards(answer.items)
    return answer
  } catch (error) {
    if (NOT_THERE.has(error.status)) return null
    throw error
  }
}

/** Fetches the answers of several placements, no product in two of them; null if the server does not have one of them. */
export async function recommendTogether(placements) {
  try {
    const answers = await perennial.recommend(placements)
    rememberCards(answers.flatMap((answer) => answer.items ?? []))
    return answers
  } catch (error) {
    if (NOT_THERE.has(error.status)) return null
    throw error
  }
}

/** Fetches products for a query or filters; null if search is not available. */
export async function search(parameters) {
  const all = withoutEmpty({ ...person.identity, personalised: person.personalisation !== false, ...parameters })
  const attributes = Object.fromEntries(Object.entries(all).filter(([name]) => name.startsWith("attributes.")))
  try {
    const found = await client.search(all, { query: attributes })
    rememberCards(found.items ?? [])
    return found
  } catch (error) {
    if (error.status === 404) return null
    throw error
  }
}

function withoutEmpty(parameters) {
  return Object.fromEntries(Object.entries(parameters).filter(([, value]) => value !== undefined && value !== null && value !== ""))
}

/** Returns cards by product id, in the given order: cached ones immediately, the others from the search. */
export async function cardsOf(productIds) {
  const known = ofThisTab.read("cards", {})
  const missing = productIds.filter((id) => !known[id])
  if (missing.length) {
    const found = await search({ product_ids: missing, n: missing.length, facets: false, in_stock: false, explain: false })
    for (const item of found?.items ?? []) known[item.product_id] = item.product
  }
  return productIds.filter((id) => known[id]).map((id) => ({ product_id: id, product: known[id] }))
}

/** Returns whether a product cannot be bought now; false if that is not known. */
export async function isSoldOut(productId) {
  try {
    const found = await search({ product_ids: [productId], n: 1, facets: false, in_stock: true, explain: false })
    return found?.items?.length === 0
  } catch (error) {
    console.warn(error.message)
    return false
  }
}

function rememberCards(items) {
  const known = ofThisTab.read("cards", {})
  for (const { product_id: id, product } of items) {
    delete known[id] // the newest stand last
    known[id] = product
  }
  ofThisTab.write("cards", Object.fromEntries(Object.entries(known).slice(-MOST_CARDS)))
}
