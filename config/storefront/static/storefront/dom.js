// Creates elements from data. Text is always set as text, so nothing in a catalog or a query becomes markup.

const SVG = "http://www.w3.org/2000/svg"

/** `h("a", { href: "/", class: "tile", onclick }, "text", child)`; properties that are null or false are left out. */
export function h(name, properties = {}, ...children) {
  return fill(document.createElement(name), properties, children)
}

export function svg(name, properties = {}, ...children) {
  return fill(document.createElementNS(SVG, name), properties, children)
}

function fill(element, properties, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value)
    else element.setAttribute(name, value === true ? "" : value)
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false))
  return element
}

/** An icon of the page's sprite. */
export function icon(name) {
  return svg("svg", { class: "icon", "aria-hidden": "true" }, svg("use", { href: `#icon-${name}` }))
}

/** Announces a message to screen readers, and shows it for a moment unless it is visible anyway. */
export function announce(text, { visible = true } = {}) {
  const place = document.getElementById("said")
  place.textContent = ""
  place.classList.toggle("unseen", !visible)
  clearTimeout(announce.timer)
  announce.timer = setTimeout(() => {
    place.textContent = text // after it was empty, so that the same words are said again
    announce.timer = setTimeout(() => {
      place.textContent = ""
    }, 5000)
  }, 50)
}
