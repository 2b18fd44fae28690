// A button with data-perennial-back-in-stock and data-product-id: a flow can write to the visitor when the product is available again.

const { h, track, visitor, emit, isAllowed, lasting } = core
const STORED = "back-in-stock"

function scan(root) {
  for (const button of root.querySelectorAll("[data-perennial-back-in-stock]:not([data-ready])")) {
    button.dataset.ready = ""
    if (isRequested(button.dataset.productId)) confirm(button)
    else button.addEventListener("click", () => ask(button), { once: true })
  }
}

function isRequested(productId) {
  return lasting.read(STORED, []).includes(productId)
}

function ask(button) {
  const { productId, name } = button.dataset
  track("Back In Stock Requested", { product_id: productId, ...(name ? { name } : {}) })
  if (isAllowed("analytics")) lasting.write(STORED, [...lasting.read(STORED, []), productId].slice(-100))
  confirm(button)
  emit("back-in-stock", { productId, isKnown: Boolean(visitor.userId) }, button)
}

function confirm(button) {
  button.setAttribute("aria-disabled", "true")
  button.textContent = button.dataset.requestedText || t("requested")
  button.after(h("span", { role: "status", class: "perennial-message" }, visitor.userId ? "" : t("log_in")))
}
