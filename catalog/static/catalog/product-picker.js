// A field for product IDs: a search by title, brand or ID, and the chosen products with image and title. The text field holds the
// IDs, one per line; without this script they are typed there. The options come from the server through htmx.
"use strict";

(() => {
  const SEPARATORS = /[\n\t,;，；、]/;
  const rows = new Map(); // product ID → HTML of its row, shared by all pickers of the page
  const requested = new Set(); // product IDs whose rows were asked for
  let pickers = 0;

  class ProductPicker extends HTMLElement {
    connectedCallback() {
      if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", () => this.start(), { once: true });
      else this.start();
    }

    start() {
      if (this.source) return;
      this.source = this.querySelector(".picker-text textarea, .picker-text input");
      this.input = this.querySelector(".picker-search input");
      this.options = this.querySelector(".picker-options");
      this.chosen = this.querySelector(".picker-chosen");
      this.status = this.querySelector(".picker-status");
      this.toggle = this.querySelector(".picker-toggle");
      this.isMultiple = "multiple" in this.dataset;
      this.number = ++pickers;
      this.input.id = `product-picker-${this.number}`;
      this.options.id = `${this.input.id}-options`;
      this.input.setAttribute("aria-controls", this.options.id);
      const label = this.source.id ? document.querySelector(`label[for="${CSS.escape(this.source.id)}"]`) : null;
      if (label) label.htmlFor = this.input.id;
      this.chosen.querySelectorAll("li").forEach((row) => rows.set(row.dataset.id, row.outerHTML));
      this.listen();
      if (window.htmx) window.htmx.process(this);
      this.showAsText(this.ids.length > Number(this.dataset.maxRows));
      this.draw();
      if ("autofocus" in this.input.dataset) this.input.focus();
    }

    listen() {
      this.input.addEventListener("keydown", (event) => this.move(event));
      this.input.addEventListener("paste", (event) => {
        const text = event.clipboardData.getData("text");
        if (!SEPARATORS.test(text.trim())) return;
        event.preventDefault();
        this.take(text);
      });
      this.input.addEventListener("focus", () => this.show(this.options.childElementCount > 0));
      this.addEventListener("focusout", (event) => { if (!this.contains(event.relatedTarget)) this.show(false); });
      for (const name of ["input", "change"]) this.input.parentElement.addEventListener(name, (event) => event.stopPropagation()); // no value of the form
      this.options.addEventListener("mousedown", (event) => event.preventDefault());
      this.options.addEventListener("click", (event) => this.choose(event.target.closest("[role=option]")));
      this.options.addEventListener("htmx:afterSwap", () => this.showOptions());
      this.addEventListener("htmx:responseError", () => this.say(this.dataset.failed));
      this.addEventListener("htmx:sendError", () => this.say(this.dataset.failed));
      this.chosen.addEventListener("click", (event) => this.change(event.target.closest("button")));
      this.source.addEventListener("change", (event) => { if (event.isTrusted) this.draw(); });
      this.toggle?.addEventListener("click", () => {
        this.showAsText(!this.isText);
        this.draw();
      });
    }

    get ids() {
      const lines = this.isMultiple ? this.source.value.split("\n") : [this.source.value];
      return [...new Set(lines.map((line) => line.trim()).filter(Boolean))];
    }

    set ids(ids) {
      this.source.value = ids.join("\n");
      this.source.dispatchEvent(new Event("input", { bubbles: true }));
      this.source.dispatchEvent(new Event("change", { bubbles: true }));
      this.draw();
    }

    // The text field stays the one that is submitted; only one of both is visible.
    showAsText(isText) {
      this.isText = isText;
      this.querySelector(".picker-text").hidden = !isText;
      this.querySelector(".picker").hidden = isText;
      if (!this.toggle) return;
      this.toggle.hidden = false;
      this.toggle.textContent = isText ? this.dataset.asList : this.dataset.asText;
    }

    draw() {
      if (this.isText) return;
      const shown = this.ids.slice(0, Number(this.dataset.maxRows));
      const missing = shown.filter((id) => !rows.has(id) && !requested.has(id));
      if (missing.length) {
        missing.forEach((id) => requested.add(id));
        this.load({ ids: missing.join("\n") }).then((found) => { if (found) this.draw(); });
      }
      const made = document.createElement("template");
      made.innerHTML = shown.map((id) => rows.get(id) ?? "").join("");
      const buttons = [...made.content.querySelectorAll("[data-move]")];
      buttons.forEach((button) => { button.hidden = shown.length < 2; });
      const first = made.content.querySelector('[data-move="-1"]');
      if (first) first.disabled = true;
      const last = [...made.content.querySelectorAll('[data-move="1"]')].pop();
      if (last) last.disabled = true;
      this.chosen.replaceChildren(...made.content.children);
      this.chosen.hidden = !shown.length;
    }

    async load(parameters) {
      const token = document.querySelector("[name=csrfmiddlewaretoken]");
      try {
        const response = await fetch(this.dataset.url, {
          method: "POST",
          headers: { "X-CSRFToken": token ? token.value : "" },
          body: new URLSearchParams(parameters),
        });
        if (!response.ok) throw new Error(String(response.status));
        const found = await response.json();
        Object.entries(found.rows).forEach(([id, html]) => rows.set(id, html));
        return found;
      } catch {
        this.say(this.dataset.failed);
        return null;
      }
    }

    // Use typed or pasted text as product IDs.
    async take(text) {
      const found = await this.load({ pasted: text });
      if (!found || !found.ids.length) return;
      this.clear();
      if (this.isMultiple && this.ids.length + found.ids.length > Number(this.dataset.maxRows)) this.showAsText(true);
      this.add(found.ids);
    }

    add(ids) {
      this.ids = this.isMultiple ? [...this.ids, ...ids.filter((id) => !this.ids.includes(id))] : ids.slice(0, 1);
      this.say(`${this.dataset.added} ${ids.map((id) => this.titleOf(id)).join(", ")}`);
    }

    titleOf(id) {
      const row = [...this.chosen.children].find((each) => each.dataset.id === id);
      return row ? row.dataset.title : id;
    }

    say(text) {
      this.status.textContent = text;
      this.status.classList.toggle("sr-only", text !== this.dataset.failed);
    }

    // ---- options

    list() {
      return [...this.options.querySelectorAll("[role=option]")];
    }

    showOptions() {
      const chosen = this.ids;
      this.list().forEach((option, i) => {
        option.id = `${this.options.id}-${i}`;
        option.setAttribute("aria-disabled", String(chosen.includes(option.dataset.id)));
      });
      this.select(this.list().find((option) => option.getAttribute("aria-disabled") === "false"));
      this.show(this.options.childElementCount > 0 && this.contains(document.activeElement));
    }

    show(isOpen) {
      this.options.hidden = !isOpen;
      this.input.setAttribute("aria-expanded", String(isOpen && this.list().length > 0));
    }

    select(option) {
      this.list().forEach((each) => each.setAttribute("aria-selected", String(each === option)));
      if (!option) return this.input.removeAttribute("aria-activedescendant");
      this.input.setAttribute("aria-activedescendant", option.id);
      option.scrollIntoView({ block: "nearest" });
    }

    move(event) {
      if (event.key === "Escape" && !this.options.hidden) {
        event.preventDefault();
        this.show(false);
      }
      if (event.key === "Enter") {
        event.preventDefault();
        const option = this.options.hidden ? null : this.options.querySelector('[aria-selected="true"]');
        if (option) this.choose(option);
        else if (this.input.value.trim() && this.options.querySelector(".picker-none")) this.take(this.input.value);
      }
      const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      const options = this.list().filter((option) => option.getAttribute("aria-disabled") === "false");
      if (!step || !options.length) return;
      event.preventDefault();
      this.show(true);
      const position = options.findIndex((option) => option.getAttribute("aria-selected") === "true");
      this.select(options[(position + step + options.length) % options.length]);
    }

    choose(option) {
      if (!option || option.getAttribute("aria-disabled") === "true") return;
      const row = option.querySelector("template").content.firstElementChild;
      rows.set(option.dataset.id, row.outerHTML);
      this.clear();
      this.add([option.dataset.id]);
      this.input.focus();
    }

    clear() {
      this.input.value = "";
      this.options.replaceChildren();
      this.select(null);
      this.show(false);
    }

    // ---- the chosen products

    change(button) {
      if (!button) return;
      const { id, title } = button.closest("li").dataset;
      const ids = this.ids, place = ids.indexOf(id);
      ids.splice(place, 1);
      const step = Number(button.dataset.move || 0);
      if (step) ids.splice(place + step, 0, id);
      this.ids = ids;
      this.say(`${step ? this.dataset.moved : this.dataset.removed} ${title}`);
      const row = [...this.chosen.children].find((each) => each.dataset.id === id);
      const next = row?.querySelector(`[data-move="${step}"]:not([disabled])`) ?? row?.querySelector("[data-move]:not([disabled])");
      (next ?? this.input).focus();
    }
  }

  customElements.define("product-picker", ProductPicker);
})();
