// The basket of this browser. Every change dispatches a "basket" event, which the pages listen to.

import { randomId, shop } from "./shop.js"
import { lasting } from "./storage.js"
import { linesOf, productAdded, productRemoved, recommendationOf } from "./tracking.js"

export const MOST_PIECES = 99

export const basket = {
  get id() {
    return lasting.read("basket", { id: "" }).id
  },

  get lines() {
    return lasting.read("basket", { lines: [] }).lines
  },

  get pieces() {
    return this.lines.reduce((sum, line) => sum + line.quantity, 0)
  },

  get currency() {
    return this.lines[0]?.product.currency || shop.currency
  },

  /** Sums in cents, because 0.1 + 0.2 is not 0.3. */
  get total() {
    return this.lines.reduce((sum, line) => sum + Math.round(Number(line.product.price ?? 0) * 100) * line.quantity, 0) / 100
  },

  add(productId, product, quantity = 1) {
    const line = this.lines.find((known) => known.product_id === productId)
    this.set(productId, product, (line?.quantity ?? 0) + quantity)
  },

  /** Sets the quantity of a line; 0 removes it. */
  set(productId, product, quantity) {
    const lines = this.lines
    const place = lines.findIndex((line) => line.product_id === productId)
    const before = place < 0 ? 0 : lines[place].quantity
    const after = Math.max(0, Math.min(MOST_PIECES, Math.round(quantity) || 0))
    if (after === before) return
    if (place < 0) lines.push({ product_id: productId, product, quantity: after })
    else if (after === 0) lines.splice(place, 1)
    else lines[place].quantity = after
    this.keep(lines)
    if (after > before) productAdded(productId, product, after - before)
    else productRemoved(productId, product, before - after)
  },

  /** Returns the lines in the form of order and checkout events. */
  asOrder(orderId) {
    return { order_id: orderId, total: this.total, currency: this.currency, products: linesOf(this) }
  },

  /** Returns the lines as the shop's server takes them. */
  get orderLines() {
    return this.lines.map(({ product_id, quantity }) => ({ product_id, quantity, recommendation_id: recommendationOf(product_id) }))
  },

  empty() {
    lasting.remove("basket")
    window.dispatchEvent(new Event("basket"))
  },

  keep(lines) {
    lasting.write("basket", { id: this.id || randomId(), lines })
    window.dispatchEvent(new Event("basket"))
  },
}
