// The image of a product: its own, or the placeholder that the server draws from its category and title.

import { h } from "./dom.js"
import { shop } from "./shop.js"

const MAX_LENGTH = 300

export function picture(product) {
  const src = product.image_url || placeholder(product)
  return h("img", { class: "art", src, alt: "", loading: "lazy", width: 300, height: 300 })
}

function placeholder({ category, title }) {
  const query = new URLSearchParams({
    category: (category || "").slice(0, MAX_LENGTH),
    title: (title || "").slice(0, MAX_LENGTH),
  })
  return `${shop.placeholder_image}?${query}`
}
