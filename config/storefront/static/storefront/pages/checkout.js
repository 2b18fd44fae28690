// Two fields and an order. Nothing is paid and nothing is delivered: the order is an event like any other.

import { basket } from "../basket.js"
import { h } from "../dom.js"
import { identify, page, settled } from "../events.js"
import "../header.js"
import { formatMoney, formatNumber, pageAddress, randomId } from "../shop.js"
import { lasting } from "../storage.js"
import { checkoutStarted, orderCompleted } from "../tracking.js"

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
  identify({ name: name.value.trim(), email: email.value.trim() })
  orderCompleted(order)
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
