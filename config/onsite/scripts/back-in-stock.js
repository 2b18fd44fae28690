// A button with data-perennial-back-in-stock and data-product-id: a flow can write to the visitor when the product is available again.

const { h, track, visitor, emit, isAllowed, lasting } = core
const STORED = "back-in-stock"

function scan(root) {
  for (const button of root.querySelectorAll("[data-perennial-back-in-stock]:not([data-ready])")) {
    button.dataset.ready = ""
    if (isRequested(button.dataset.productId)) confirm(button)
    else button.addEventListener("click", () => ask(button))
  }
}

function isRequested(productId) {
  return lasting.read(STORED, []).includes(productId)
}

function ask(button) {
  if (button.getAttribute("aria-disabled")) return
  const { productId, name } = button.dataset
  if (!track("Back In Stock Requested", { product_id: productId, ...(name ? { name } : {}) })) return say(button, t("needs_consent"))
  if (isAllowed("analytics")) lasting.write(STORED, [...lasting.read(STORED, []), productId].slice(-100))
  confirm(button)
  emit("back-in-stock", { productId, isKnown: Boolean(visitor.userId) }, button)
}

/** Shows that the request was stored. A message is promised only to known visitors: others may have no address. */
function confirm(button) {
  button.setAttribute("aria-disabled", "true")
  button.textContent = button.dataset.requestedText || t(visitor.userId ? "requested" : "noted")
  say(button, visitor.userId ? "" : t("log_in"))
}

/** Shows a text after the button, instead of an earlier one. */
function say(button, text) {
  if (button.nextElementSibling?.matches(".perennial-message")) button.nextElementSibling.remove()
  button.after(h("span", { role: "status", class: "perennial-message" }, text))
}
