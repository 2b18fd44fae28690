// Shows the last events and asks for newer ones every two seconds; rests while nobody looks.
// The page names the address, the words and the first rows in <script id="live-data" type="application/json">.
"use strict";

(() => {
  const EVERY_MS = 2000;
  const LONGEST_WAIT_MS = 30_000;
  const TYPED_MS = 350;

  function cell(text, { tag = "td", className = "", title = "" } = {}) {
    const made = document.createElement(tag);
    made.textContent = text;
    if (className) made.className = className;
    if (title) made.title = title;
    return made;
  }

  class Live {
    constructor(root) {
      const { url, words, events } = JSON.parse(document.getElementById("live-data").textContent);
      Object.assign(this, { url, words });
      this.form = root.querySelector("form");
      this.body = root.querySelector("tbody");
      this.table = root.querySelector("[data-live-table]");
      this.empty = root.querySelector("[data-live-empty]");
      this.unmatched = root.querySelector("[data-live-unmatched]");
      this.state = root.querySelector("[data-live-state]");
      this.news = root.querySelector("[data-live-news]");
      this.button = root.querySelector("[data-live-pause]");
      this.most = Number(root.dataset.most);
      this.rows = new Map();
      this.isPaused = false;
      this.turn = 0;
      this.wait = EVERY_MS;
      this.add(events, { isFirst: true });
      this.listen();
      this.resume();
    }

    listen() {
      this.button.addEventListener("click", () => {
        this.isPaused = !this.isPaused;
        this.button.setAttribute("aria-pressed", String(this.isPaused));
        this.button.querySelector("[data-label]").textContent = this.isPaused ? this.words.resume : this.words.pause;
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
        this.typing = setTimeout(() => this.refilter(), TYPED_MS);
      });
    }

    filters() {
      return [...new FormData(this.form)].filter(([, value]) => value.trim() !== "");
    }

    refilter() {
      clearTimeout(this.typing);
      const filters = new URLSearchParams(this.filters()).toString();
      if (filters === this.asked) return;
      this.asked = filters;
      window.history.replaceState(null, "", filters ? `?${filters}` : window.location.pathname);
      this.forgetsRows = true;
      this.resume({ once: true });
    }

    // Every turn that is begun ends the one before, so that only one request is on its way.
    resume({ once = false } = {}) {
      clearTimeout(this.timer);
      this.request?.abort();
      this.turn += 1;
      this.wait = EVERY_MS;
      if (this.rests() && !once) this.say(this.isPaused ? this.words.paused : "");
      else this.ask(this.turn);
    }

    rests() {
      return this.isPaused || document.hidden;
    }

    async ask(turn) {
      this.request = new AbortController();
      const after = this.forgetsRows ? 0 : Math.max(0, ...this.rows.keys());
      const query = new URLSearchParams([...this.filters(), ["after", after]]);
      try {
        const response = await fetch(`${this.url}?${query}`, { signal: this.request.signal, headers: { Accept: "application/json" } });
        if (turn !== this.turn) return;
        if (response.redirected || response.status === 403) return this.say(this.words.loggedOut, "warns");
        if (!response.ok) throw new Error(String(response.status));
        const answer = await response.json();
        if (turn !== this.turn) return;
        if (this.forgetsRows) this.rows.clear();
        this.add(answer.events, { isFirst: this.forgetsRows });
        this.forgetsRows = false;
        this.wait = EVERY_MS;
        this.say(this.isPaused ? this.words.paused : this.words.asOf.replace("{at}", answer.at));
      } catch (error) {
        if (turn !== this.turn) return;
        this.wait = Math.min(2 * this.wait, LONGEST_WAIT_MS);
        this.say(this.words.failed.replace("{seconds}", this.wait / 1000), "warns");
      }
      if (!this.rests()) this.timer = setTimeout(() => this.ask(turn), this.wait);
    }

    say(text, className = "") {
      this.state.textContent = text;
      this.state.className = `home-label ${className}`;
    }

    add(events, { isFirst }) {
      const unknown = events.filter((event) => !this.rows.has(event.id));
      for (const event of unknown) this.rows.set(event.id, this.row(event, { isNew: !isFirst }));
      const shown = [...this.rows].sort(([one], [other]) => other - one).slice(0, this.most);
      this.rows = new Map(shown);
      if (unknown.length || isFirst) this.body.replaceChildren(...this.rows.values());
      this.table.hidden = this.rows.size === 0;
      this.empty.hidden = this.rows.size > 0 || this.filters().length > 0;
      this.unmatched.hidden = this.rows.size > 0 || this.filters().length === 0;
      if (isFirst) this.news.textContent = "";
      else if (unknown.length) this.news.textContent = this.words.news.replace("{n}", unknown.length);
    }

    row(event, { isNew }) {
      const row = document.createElement("tr");
      row.dataset.event = event.id;
      if (isNew) row.className = "live-new";
      const what = document.createElement("td");
      const link = Object.assign(document.createElement("a"), { href: event.url, textContent: event.name });
      what.append(link, " ", cell(event.type, { tag: "span", className: "home-badge" }));
      const source = cell(event.source);
      if (event.simulated) source.append(" ", cell(this.words.simulated, { tag: "span", className: "home-badge" }));
      row.append(
        cell(event.received, { tag: "th", title: this.words.occurred.replace("{at}", event.occurred) }), what, cell(event.who), cell(event.products, { title: event.productsTitle }),
        cell(event.value), source,
      );
      return row;
    }
  }

  document.addEventListener("DOMContentLoaded", () => document.querySelectorAll("[data-live]").forEach((root) => new Live(root)));
})();
