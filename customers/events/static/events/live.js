// Shows the latest events and requests newer ones every two seconds; stops while the page is hidden.
// The page provides the URL, the labels and the first rows in <script id="live-data" type="application/json">.
"use strict";

(() => {
  const INTERVAL_MS = 2000;
  const MAX_WAIT_MS = 30_000;
  const TYPING_DELAY_MS = 350;

  function cell(text, { tag = "td", className = "", title = "" } = {}) {
    const element = document.createElement(tag);
    element.textContent = text;
    if (className) element.className = className;
    if (title) element.title = title;
    return element;
  }

  class Live {
    constructor(root) {
      const { url, labels, events } = JSON.parse(document.getElementById("live-data").textContent);
      Object.assign(this, { url, labels });
      this.form = root.querySelector("form");
      this.body = root.querySelector("tbody");
      this.table = root.querySelector("[data-live-table]");
      this.empty = root.querySelector("[data-live-empty]");
      this.unmatched = root.querySelector("[data-live-unmatched]");
      this.state = root.querySelector("[data-live-state]");
      this.news = root.querySelector("[data-live-news]");
      this.button = root.querySelector("[data-live-pause]");
      this.maxEvents = Number(root.dataset.maxEvents);
      this.rows = new Map();
      this.isPaused = false;
      this.turn = 0;
      this.wait = INTERVAL_MS;
      this.add(events, { isFirst: true });
      this.listen();
      this.resume();
    }

    listen() {
      this.button.addEventListener("click", () => {
        this.isPaused = !this.isPaused;
        this.button.setAttribute("aria-pressed", String(this.isPaused));
        this.button.querySelector("[data-label]").textContent = this.isPaused ? this.labels.resume : this.labels.pause;
        this.button.querySelector("[data-icon]").textContent = this.isPaused ? "play_arrow" : "pause";
        this.resume();
      });
      document.addEventListener("visibilitychange", () => this.resume());
      this.form.addEventListener("submit", (event) => {
        event.preventDefault();
        this.refilter();
      });
      this.form.addEventListener("change", () => this.refilter());
      this.form.addEventListener("input", () => {
        clearTimeout(this.typing);
        this.typing = setTimeout(() => this.refilter(), TYPING_DELAY_MS);
      });
    }

    filters() {
      return [...new FormData(this.form)].filter(([, value]) => value.trim() !== "");
    }

    refilter() {
      clearTimeout(this.typing);
      const filters = new URLSearchParams(this.filters()).toString();
      if (filters === this.appliedFilters) return;
      this.appliedFilters = filters;
      window.history.replaceState(null, "", filters ? `?${filters}` : window.location.pathname);
      this.clearsRows = true;
      this.resume({ once: true });
    }

    // Starting a turn ends the previous one, so that only one request is in flight.
    resume({ once = false } = {}) {
      clearTimeout(this.timer);
      this.request?.abort();
      this.turn += 1;
      this.wait = INTERVAL_MS;
      if (this.isIdle() && !once) this.showState(this.isPaused ? this.labels.paused : "");
      else this.load(this.turn);
    }

    isIdle() {
      return this.isPaused || document.hidden;
    }

    async load(turn) {
      this.request = new AbortController();
      const after = this.clearsRows ? 0 : Math.max(0, ...this.rows.keys());
      const query = new URLSearchParams([...this.filters(), ["after", after]]);
      try {
        const response = await fetch(`${this.url}?${query}`, { signal: this.request.signal, headers: { Accept: "application/json" } });
        if (turn !== this.turn) return;
        if (response.redirected || response.status === 403) return this.showState(this.labels.loggedOut, "warns");
        if (!response.ok) throw new Error(String(response.status));
        const latest = await response.json();
        if (turn !== this.turn) return;
        if (this.clearsRows) this.rows.clear();
        this.add(latest.events, { isFirst: this.clearsRows });
        this.clearsRows = false;
        this.wait = INTERVAL_MS;
        this.showState(this.isPaused ? this.labels.paused : this.labels.asOf.replace("{at}", latest.at));
      } catch (error) {
        if (turn !== this.turn) return;
        this.wait = Math.min(2 * this.wait, MAX_WAIT_MS);
        this.showState(this.labels.failed.replace("{seconds}", this.wait / 1000), "warns");
      }
      if (!this.isIdle()) this.timer = setTimeout(() => this.load(turn), this.wait);
    }

    showState(text, className = "") {
      this.state.textContent = text;
      this.state.className = `home-label ${className}`;
    }

    add(events, { isFirst }) {
      const unknown = events.filter((event) => !this.rows.has(event.id));
      for (const event of unknown) this.rows.set(event.id, this.row(event, { isNew: !isFirst }));
      const shown = [...this.rows].sort(([first], [second]) => second - first).slice(0, this.maxEvents);
      this.rows = new Map(shown);
      if (unknown.length || isFirst) this.body.replaceChildren(...this.rows.values());
      this.table.hidden = this.rows.size === 0;
      this.empty.hidden = this.rows.size > 0 || this.filters().length > 0;
      this.unmatched.hidden = this.rows.size > 0 || this.filters().length === 0;
      if (isFirst) this.news.textContent = "";
      else if (unknown.length) this.news.textContent = this.labels.newEvents.replace("{n}", unknown.length);
    }

    row(event, { isNew }) {
      const row = document.createElement("tr");
      row.dataset.event = event.id;
      if (isNew) row.className = "live-new";
      const what = document.createElement("td");
      const link = Object.assign(document.createElement(event.url ? "a" : "span"), { textContent: event.name, title: event.properties ?? "" });
      if (event.url) link.href = event.url;
      what.append(link, " ", cell(event.type, { tag: "span", className: "home-badge" }));
      const source = cell(event.source);
      if (event.sandbox) source.append(" ", cell(this.labels.sandbox, { tag: "span", className: "home-badge" }));
      if (event.simulated) source.append(" ", cell(this.labels.simulated, { tag: "span", className: "home-badge" }));
      row.append(
        cell(event.received, { tag: "th", title: this.labels.occurred.replace("{at}", event.occurred) }), what, cell(event.who), cell(event.products, { title: event.productsTitle }),
        cell(event.value), source,
      );
      return row;
    }
  }

  document.addEventListener("DOMContentLoaded", () => document.querySelectorAll("[data-live]").forEach((root) => new Live(root)));
})();
