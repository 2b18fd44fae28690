// The rule's page: what the form as it stands would change, asked for while one types; names of categories and brands to choose from.
"use strict";

(() => {
  const WAIT_MS = 500;

  function preview(section) {
    const form = section.closest("form");
    const panel = section.querySelector("[data-rule-preview-panel]");
    let timer = null;
    let asked = 0;

    async function ask() {
      const number = ++asked;
      panel.classList.add("waiting");
      const focused = document.activeElement && panel.contains(document.activeElement) ? document.activeElement.name : null;
      const response = await fetch(section.dataset.rulePreview, {
        method: "POST",
        body: new FormData(form),
        headers: { "X-Requested-With": "fetch" },
      }).catch(() => null);
      if (number !== asked) {
        return; // a newer question is under way
      }
      panel.classList.remove("waiting");
      if (!response || !response.ok) {
        return;
      }
      const typed = focused ? form.elements[focused] : null;
      const value = typed ? typed.value : null;
      panel.innerHTML = await response.text();
      const again = focused ? form.elements[focused] : null;
      if (again) {
        again.value = value;
        again.focus();
      }
    }

    function later() {
      clearTimeout(timer);
      timer = setTimeout(ask, WAIT_MS);
    }

    form.addEventListener("input", later);
    form.addEventListener("change", later);
    // what chooses by script, such as the list of segments or a date, tells jQuery alone
    if (window.django && window.django.jQuery) {
      window.django.jQuery(form).on("change", later);
    }
    ask();
  }

  function suggest(input, address) {
    const list = document.createElement("datalist");
    list.id = `${input.id}-names`;
    input.setAttribute("list", list.id);
    input.setAttribute("autocomplete", "off");
    input.after(list);
    let timer = null;
    async function ask() {
      const query = new URLSearchParams({ field: input.dataset.suggest, q: input.value });
      const response = await fetch(`${address}?${query}`).catch(() => null);
      if (!response || !response.ok) {
        return;
      }
      const { names } = await response.json();
      list.replaceChildren(...names.map((name) => Object.assign(document.createElement("option"), { value: name })));
    }
    input.addEventListener("focus", ask, { once: true });
    input.addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(ask, WAIT_MS / 2);
    });
  }

  document.addEventListener("DOMContentLoaded", () => {
    document.querySelectorAll("[data-rule-preview]").forEach((section) => {
      preview(section);
      if (section.dataset.suggestUrl) {
        document.querySelectorAll("input[data-suggest]").forEach((input) => suggest(input, section.dataset.suggestUrl));
      }
    });
  });
})();
