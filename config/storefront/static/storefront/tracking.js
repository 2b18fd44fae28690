// The shop's events with the properties from docs/tracking.md; purchases can be attributed to recommendations.

import { track, trackProduct } from "./events.js"
import { randomId } from "./shop.js"
import { lasting, ofThisTab } from "./storage.js"

/** Returns the event properties of a product, with recommendation_id and position if it was clicked in a row. */
function described(productId, product, more = {}) {
  const { title, category, brand, price, currency } = product
  const origin = ofThisTab.read("came-from", {})[productId]
  const about = { product_id: productId, name: title, category, brand, price: price === null ? undefined : Number(price), currency }
  return { ...about, ...origin, ...more }
}

export function productClicked(item, shown) {
  const origin = { recommendation_id: shown.recommendation_id, position: item.rank, scenario: shown.scenario }
  if (origin.recommendation_id) {
    ofThisTab.write("came-from", { ...ofThisTab.read("came-from", {}), [item.product_id]: origin })
    track("Recommendation Clicked", { product_id: item.product_id, ...origin })
  }
  trackProduct("Product Clicked", described(item.product_id, item.product, { position: item.rank }))
}

export function productViewed(productId, product) {
  trackProduct("Product Viewed", described(productId, product))
}

export function productAdded(productId, product, quantity) {
  trackProduct("Product Added", described(productId, product, { quantity }))
}

export function productRemoved(productId, product, quantity) {
  trackProduct("Product Removed", described(productId, product, { quantity }))
}

export function productDismissed(item, shown) {
  const { recommendation_id, scenario } = shown
  trackProduct("Recommendation Dismissed", { product_id: item.product_id, recommendation_id, scenario, position: item.rank })
}

export function productReviewed(productId, review) {
  track("Product Reviewed", { product_id: productId, ...review })
}

export function recommendationViewed(shown, items) {
  const { recommendation_id, scenario, model_version } = shown
  const products = items.map((item) => ({ product_id: item.product_id, position: item.rank }))
  track("Recommendation Viewed", { recommendation_id, scenario, model_version, products })
}

export function listViewed(list, items) {
  const products = items.map((item) => described(item.product_id, item.product, { position: item.rank }))
  track("Product List Viewed", { ...list, products })
}

export function searched(query, found) {
  track("Products Searched", { query, results: found.total, recommendation_id: found.recommendation_id })
}

export function cartViewed(cart) {
  track("Cart Viewed", { cart_id: cart.id, products: linesOf(cart) })
}

export function checkoutStarted(order) {
  track("Checkout Started", order)
}

/** Marks the recommendations of other pages as outdated; the shop's server reports the order itself. */
export function orderPlaced() {
  lasting.write("activity", randomId())
}

/** Returns the recommendation that a product was clicked in; empty if there was none. */
export function recommendationOf(productId) {
  return ofThisTab.read("came-from", {})[productId]?.recommendation_id ?? ""
}

export function linesOf(cart) {
  return cart.lines.map(({ product_id, product, quantity }) => described(product_id, product, { quantity }))
}
