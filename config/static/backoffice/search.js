// The search dialog: a combobox whose list of options comes from the server.
"use strict";

(() => {
  const DELAY_MS = 150;
  let timer = 0, request = 0;

  const find = (selector) => document.querySelector(selector);
  const listOptions = () => [...document.querySelectorAll('#search-results [role="option"]')];

  function open() {
    const dialog = find("#search-dialog");
    if (!dialog || dialog.open) return;
    dialog.showModal();
    find("#search-input").select();
  }

  function select(option) {
    const input = find("#search-input");
    listOptions().forEach((other) => other.setAttribute("aria-selected", String(other === option)));
    if (option) {
      input.setAttribute("aria-activedescendant", option.id);
      option.scrollIntoView({ block: "nearest" });
    } else input.removeAttribute("aria-activedescendant");
  }

  function show(html) {
    const results = find("#search-results");
    results.innerHTML = html;
    const options = listOptions(), empty = results.querySelector("[data-empty]");
    find("#search-input").setAttribute("aria-expanded", String(options.length > 0));
    find(".search-status").textContent = empty ? empty.textContent : "";
    empty?.remove();
    select(options[0]);
  }

  async function search(text) {
    const number = ++request;
    if (!text.trim()) return show("");
    const dialog = find("#search-dialog");
    try {
      const response = await fetch(`${dialog.dataset.url}?${new URLSearchParams({ q: text })}`, { redirect: "error" });
      if (!response.ok) throw new Error(String(response.status));
      const html = await response.text();
      if (number === request) show(html);
    } catch {
      if (number !== request) return;
      show("");
      find(".search-status").textContent = find(".search-status").dataset.failed;
    }
  }

  function move(step) {
    const options = listOptions();
    if (!options.length) return;
    const position = options.findIndex((option) => option.getAttribute("aria-selected") === "true");
    select(options[(position + step + options.length) % options.length]);
  }

  document.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
      event.preventDefault();
      open();
    } else if (event.target.id === "search-input") {
      if (event.key === "ArrowDown" || event.key === "ArrowUp") {
        event.preventDefault();
        move(event.key === "ArrowDown" ? 1 : -1);
      } else if (event.key === "Escape") {
        event.preventDefault(); // a search field would clear its text first
        find("#search-dialog").close();
      } else if (event.key === "Enter") {
        const option = find('#search-results [aria-selected="true"]');
        if (!option) return;
        event.preventDefault();
        if (event.ctrlKey || event.metaKey) window.open(option.href, "_blank", "noopener");
        else window.location.assign(option.href);
      }
    }
  });
  document.addEventListener("input", (event) => {
    if (event.target.id !== "search-input") return;
    clearTimeout(timer);
    timer = setTimeout(() => search(event.target.value), DELAY_MS);
  });
  document.addEventListener("click", (event) => {
    if (event.target.closest?.("[data-open-search]")) open();
    const dialog = event.target.closest?.("#search-dialog");
    if (dialog && (event.target === dialog || event.target.closest("[data-close]"))) dialog.close();
  });
})();
