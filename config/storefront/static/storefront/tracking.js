// The shop's events with the properties from docs/tracking.md; purchases can be attributed to recommendations.

import { track, trackProduct } from "./events.js"
import { perennial } from "./onsite.js"
import { randomId } from "./shop.js"
import { lasting } from "./storage.js"

/** Returns the event properties of a product, with recommendation_id and position if it was clicked in a row. */
function described(productId, product, more = {}) {
  const { title, category, brand, price, currency } = product
  const about = { product_id: productId, name: title, category, brand, price: price === null ? undefined : Number(price), currency }
  return { ...about, ...perennial.originOf(productId), ...more }
}

export function productClicked(item, shown) {
  perennial.reportClick(item, shown)
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
  return perennial.originOf(productId).recommendation_id ?? ""
}

export function linesOf(cart) {
  return cart.lines.map(({ product_id, product, quantity }) => described(product_id, product, { quantity }))
}
