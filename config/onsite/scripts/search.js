// The search box: suggestions while the visitor types, by the ARIA pattern "combobox with list". Without the script, the form searches.

const { h, request, linkOf, formatMoney, addStyles, track } = core
const PAUSE = 120 // milliseconds without a key before suggestions are asked for
const MOST = 6
let numbered = 0

addStyles(`
:where(.perennial-search) { position: relative; }
:where(.perennial-suggestions) { position: absolute; inset-inline: 0; top: 100%; z-index: 10; margin: 0; padding: 0.25rem; list-style: none; background: Canvas; color: CanvasText; border: 1px solid; border-radius: 0.25rem; }
:where(.perennial-suggestions > li) { display: flex; justify-content: space-between; gap: 1rem; padding: 0.5rem; cursor: pointer; }
:where(.perennial-suggestions > li[aria-selected="true"], .perennial-suggestions > li:hover) { background: Highlight; color: HighlightText; }
`)

function scan(root) {
  for (const form of root.querySelectorAll("form[data-perennial-search]:not([data-ready])")) {
    form.dataset.ready = ""
    new SearchBox(form)
  }
}

class SearchBox {
  constructor(form) {
    this.form = form
    this.input = form.querySelector("input[type=search], input[name=q], input")
    this.name = `perennial-suggestions-${++numbered}`
    this.list = h("ul", { class: "perennial-suggestions", id: this.name, role: "listbox", "aria-label": t("suggestions"), hidden: true })
    this.selected = -1
    form.classList.add("perennial-search")
    form.append(this.list)
    const attributes = { role: "combobox", "aria-autocomplete": "list", "aria-expanded": "false", "aria-controls": this.name, autocomplete: "off" }
    for (const [name, value] of Object.entries(attributes)) this.input.setAttribute(name, value)
    this.input.addEventListener("input", () => this.wait())
    this.input.addEventListener("keydown", (event) => this.press(event))
    this.input.addEventListener("blur", () => setTimeout(() => this.close(), 150))
    if (form.dataset.track !== "off") form.addEventListener("submit", () => track("Products Searched", { query: this.input.value.trim() }))
  }

  wait() {
    clearTimeout(this.timer)
    this.timer = setTimeout(() => this.ask(), PAUSE)
  }

  async ask() {
    this.request?.abort()
    const q = this.input.value.trim()
    if (!q) return this.close()
    this.request = new AbortController()
    try {
      this.show(await request("search/autocomplete/", { query: { q, n: MOST }, signal: this.request.signal, retries: false }))
    } catch (error) {
      if (error.name !== "AbortError") this.close() // Enter still searches
    }
  }

  show({ queries, categories, products }) {
    const texts = queries.slice(0, 4).map((query) => this.option(query, "", () => this.search(query)))
    const places = categories.slice(0, 2).map((path) => this.option(path.split(" > ").at(-1), t("category"), () => this.openCategory(path)))
    const items = products.map((product) =>
      this.option(product.title, formatMoney(product.price, product.currency), () => {
        track("Product Clicked", { product_id: product.product_id, name: product.title })
        const url = linkOf(product.product_id, product)
        if (url) location.assign(url)
        else this.search(product.title)
      }),
    )
    this.list.replaceChildren(...texts, ...places, ...items)
    this.list.childNodes.forEach((option, number) => {
      option.id = `${this.name}-${number}`
    })
    this.select(-1)
    this.list.hidden = !this.list.childNodes.length
    this.input.setAttribute("aria-expanded", String(!this.list.hidden))
  }

  option(text, note, open) {
    return h("li", { role: "option", "aria-selected": "false", onmousedown: open, onopen: open }, h("span", {}, text), note ? h("span", { class: "perennial-note" }, note) : null)
  }

  openCategory(path) {
    if (core.config.categoryUrl) location.assign(core.config.categoryUrl(path))
    else this.search(path.split(" > ").at(-1))
  }

  search(query) {
    this.input.value = query
    this.close()
    this.form.requestSubmit()
  }

  press(event) {
    const count = this.list.hidden ? 0 : this.list.childNodes.length
    if (event.isComposing || !count) return // a Chinese input method is choosing characters
    if (event.key === "Escape") this.close()
    else if (event.key === "ArrowDown") this.select((this.selected + 1) % count)
    else if (event.key === "ArrowUp") this.select(this.selected > 0 ? this.selected - 1 : count - 1)
    else if (event.key === "Enter" && this.selected >= 0) this.list.childNodes[this.selected].dispatchEvent(new Event("open"))
    else return
    event.preventDefault()
  }

  select(number) {
    this.selected = number
    this.list.childNodes.forEach((option, place) => option.setAttribute("aria-selected", String(place === number)))
    if (number >= 0) this.input.setAttribute("aria-activedescendant", `${this.name}-${number}`)
    else this.input.removeAttribute("aria-activedescendant")
  }

  close() {
    clearTimeout(this.timer) // otherwise the last key would open the list again
    this.request?.abort()
    this.list.hidden = true
    this.input.setAttribute("aria-expanded", "false")
    this.select(-1)
  }
}
