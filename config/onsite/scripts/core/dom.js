// Creates elements from data. Text is always set as text, so nothing in a catalog becomes markup, and Trusted Types are not needed.

/** `h("a", { href: "/", class: "tile" }, "text", child)`; properties that are null or false are left out. */
function h(name, properties = {}, ...children) {
  const element = document.createElement(name)
  for (const [key, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value)
    else element.setAttribute(key, value === true ? "" : value)
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false))
  return element
}

/** Returns a URL of a product or an offer if it is one of the web, else null: no javascript: from a catalog. */
function cleanUrl(url) {
  if (!url) return null
  try {
    const full = new URL(url, location.href)
    return ["http:", "https:"].includes(full.protocol) ? full.href : null
  } catch {
    return null
  }
}

/** Returns the link of a product: the shop's own if it has a function for it, else the one of the response. Warns once without one. */
function linkOf(productId, product) {
  const url = cleanUrl(config.productUrl?.(productId, product) ?? product.url)
  if (!url && !linkOf.warned) {
    linkOf.warned = true
    console.warn(`Perennial: product ${productId} has no link, so its card cannot be clicked. Set its url or PRODUCT_URL.`)
  }
  return url
}

function formatMoney(amount, currency) {
  if (amount === null || amount === undefined || amount === "") return ""
  if (!currency) return String(amount)
  return new Intl.NumberFormat(document.documentElement.lang || config.language, { style: "currency", currency }).format(amount)
}

/** Returns a function that gives the text of a name in the language of the page, with its {placeholders} filled. */
function makeTexts(texts) {
  const chosen = texts[/^zh/i.test(config.language) ? "zh-hans" : "en"]
  return (name, values = {}) => (chosen[name] ?? name).replace(/\{(\w+)\}/g, (whole, key) => values[key] ?? whole)
}

/** Adds styles without specificity, so that every rule of the shop wins; a content security policy does not restrict them. */
function addStyles(text) {
  if (config.styles === false) return
  const sheet = new CSSStyleSheet()
  sheet.replaceSync(text)
  document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet]
}

/** Sends an event named perennial:NAME to the shop's own scripts. */
function emit(name, detail, target = document) {
  target.dispatchEvent(new CustomEvent(`perennial:${name}`, { detail, bubbles: true }))
}
