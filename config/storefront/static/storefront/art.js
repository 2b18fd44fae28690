// The demo's products have no images: each gets a drawing that depends on its category (colors) and id (shapes).

import { h, svg } from "./dom.js"

/** Hashes a text to a number (FNV-1a). */
export function hash(text) {
  let value = 0x811c9dc5
  for (const character of text) {
    value ^= character.codePointAt(0)
    value = Math.imul(value, 0x01000193)
  }
  return (value ^ (value >>> 15)) >>> 0
}

/** Uses the two top levels of the category path, so that related products look similar. */
export function hueOf(category) {
  return hash((category || "").split(" > ").slice(0, 2).join(" > ")) % 360
}

export function initials(title) {
  const words = (title || "").match(/\p{L}+/gu) ?? ["?"]
  if (/\p{Script=Han}/u.test(words[0])) return words[0].slice(0, 2)
  return (words[0][0] + (words[1]?.[0] ?? "")).toUpperCase()
}

export function picture(productId, product) {
  if (product.image_url) {
    return h("img", { class: "art", src: product.image_url, alt: "", loading: "lazy", width: 300, height: 300 })
  }
  return drawing(productId, product.category, initials(product.title))
}

export function drawing(seed, category, letters) {
  const hue = hueOf(category)
  const chance = hash(seed)
  const name = `art-${chance}-${drawing.count++}`
  const light = svg("stop", { offset: "0", "stop-color": `hsl(${hue} 62% 74%)` })
  const deep = svg("stop", { offset: "1", "stop-color": `hsl(${hue + 32} 52% 50%)` })
  const turned = `rotate(${chance % 360} 150 150)`
  return svg(
    "svg",
    { class: "art", viewBox: "0 0 300 300", preserveAspectRatio: "xMidYMid slice", "aria-hidden": "true", focusable: "false" },
    svg("defs", {}, svg("linearGradient", { id: name, x1: 0, y1: 0, x2: 1, y2: 1 }, light, deep)),
    svg("rect", { width: 300, height: 300, fill: `url(#${name})` }),
    svg("g", { transform: turned, fill: "#fff" }, ...SHAPES[(chance >>> 9) % SHAPES.length]((chance >>> 13) % 60)),
    svg("text", { x: 150, y: 150, class: "art-letters", "text-anchor": "middle", "dominant-baseline": "central" }, letters),
  )
}
drawing.count = 0

const faint = (opacity, shape) => {
  shape.setAttribute("opacity", opacity)
  return shape
}

const SHAPES = [
  (size) => [
    faint(0.18, svg("circle", { cx: 232, cy: 70, r: 66 + size })),
    faint(0.12, svg("circle", { cx: 60, cy: 240, r: 54 + size / 2 })),
  ],
  (size) => [0, 1, 2].map((ring) => faint(0.1, svg("circle", { cx: 300, cy: 20, r: 90 + size + ring * 55 }))),
  (size) => [
    faint(0.16, svg("rect", { x: 170, y: -40, width: 90 + size, height: 400, rx: 45 })),
    faint(0.1, svg("rect", { x: -30, y: -40, width: 70 + size, height: 400, rx: 35 })),
  ],
  (size) => [
    faint(0.16, svg("path", { d: `M-60 ${190 - size} C 60 ${100 - size}, 200 ${300 - size}, 380 ${150 - size} V420 H-60Z` })),
    faint(0.12, svg("path", { d: `M-60 ${240 - size} C 80 ${320 - size}, 180 ${130 - size}, 380 ${250 - size} V420 H-60Z` })),
  ],
]
