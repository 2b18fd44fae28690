// Two fields and an order. Nothing is paid and nothing is delivered: the order is an event like any other.

import { basket } from "../basket.js"
import { announce, h } from "../dom.js"
import { page, settled } from "../events.js"
import "../header.js"
import { person } from "../person.js"
import { placeOrder } from "../server.js"
import { formatMoney, formatNumber, pageAddress, randomId, t } from "../shop.js"
import { lasting } from "../storage.js"
import { checkoutStarted, orderPlaced } from "../tracking.js"

const form = document.querySelector("[data-checkout]")
const orderId = `shop-${randomId().slice(0, 12)}`

function show() {
  const lines = basket.lines
  document.querySelector("[data-empty]").hidden = lines.length > 0
  form.hidden = !lines.length
  form.querySelector("[data-lines]").replaceChildren(
    ...lines.map(({ product, quantity }) =>
      h("li", {}, h("span", {}, `${formatNumber(quantity)} × ${product.title}`), h("span", {}, formatMoney(Number(product.price ?? 0) * quantity, product.currency))),
    ),
  )
  form.querySelector("[data-total]").textContent = formatMoney(basket.total, basket.currency)
}

form.addEventListener("submit", async (event) => {
  event.preventDefault()
  form.querySelector("button").disabled = true
  const order = basket.asOrder(orderId)
  const { name, email } = form.elements
  const placed = await placeOrder({
    order_id: orderId,
    anonymous_id: person.anonymousId,
    lines: basket.orderLines,
    user_id: person.userId,
    user_token: person.userToken,
    session_id: person.sessionId,
    name: name.value,
    email: email.value,
  }).catch(() => null)
  if (!placed) {
    form.querySelector("button").disabled = false
    return announce(t("order_failed"))
  }
  orderPlaced()
  const lines = basket.lines.map(({ product_id, product, quantity }) => ({ product_id, product, quantity }))
  const kept = { order_id: orderId, placed_at: new Date().toISOString(), total: order.total, currency: order.currency, lines }
  lasting.write("orders", [kept, ...lasting.read("orders", [])].slice(0, 50))
  basket.empty()
  await settled(3000)
  window.location.assign(pageAddress("orders", { placed: orderId }))
})

show()
page()
if (basket.lines.length) checkoutStarted(basket.asOrder(orderId))
