// The page's configuration (keys, language, texts, URLs) and its texts.

export const shop = JSON.parse(document.getElementById("shop").textContent)

/** Returns a text in the page's language, with its {placeholders} filled. */
export function t(name, values = {}) {
  const text = shop.texts[name] ?? name
  return text.replace(/\{(\w+)\}/g, (whole, key) => values[key] ?? whole)
}

/** Returns the text `name_one` or `name_other`, depending on the number. */
export function plural(name, number) {
  const form = new Intl.PluralRules(shop.language).select(number) === "one" ? "one" : "other"
  return t(`${name}_${form}`, { number: formatNumber(number) })
}

const language = shop.language === "zh-hans" ? "zh-Hans" : shop.language

export function formatNumber(number) {
  return new Intl.NumberFormat(language).format(number)
}

export function formatMoney(amount, currency) {
  if (amount === null || amount === undefined || amount === "") return ""
  return new Intl.NumberFormat(language, { style: "currency", currency: currency || shop.currency }).format(amount)
}

export function formatDate(moment) {
  return new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" }).format(new Date(moment))
}

/** Returns a URL of the shop: `pageAddress("product", { id: "42" })`. */
export function pageAddress(page, parameters = {}) {
  const query = new URLSearchParams(parameters).toString()
  return shop.pages[page] + (query ? `?${query}` : "")
}

/** Returns a random id; also works over plain http, where crypto.randomUUID does not exist. */
export function randomId() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("")
}
