// The page of a rule: a preview of the form, updated while the user types, and suggestions of categories and brands.
"use strict";

(() => {
  const WAIT_MS = 500;

  function showPreview(section) {
    const form = section.closest("form");
    const panel = section.querySelector("[data-rule-preview-panel]");
    let timer = null;
    let latestRequest = 0;

    async function loadPreview() {
      const request = ++latestRequest;
      panel.classList.add("waiting");
      const response = await fetch(section.dataset.rulePreview, {
        method: "POST",
        body: new FormData(form),
        headers: { "X-Requested-With": "fetch" },
      }).catch(() => null);
      const text = response && response.ok ? await response.text() : null;
      if (request !== latestRequest) {
        return; // a newer request has been sent
      }
      panel.classList.remove("waiting");
      if (text === null) {
        return;
      }
      // the new panel replaces its own fields: keep the focus, and what was typed since the request
      const typed = [...panel.querySelectorAll("input[name]")].filter((field) => field.value !== field.defaultValue);
      const isInPanel = panel.contains(document.activeElement);
      const focused = isInPanel ? document.activeElement.name : null;
      const wasInPicker = isInPanel && document.activeElement.closest("product-picker");
      panel.innerHTML = text;
      for (const { name, value } of typed) {
        if (form.elements[name] instanceof HTMLInputElement) form.elements[name].value = value;
      }
      if (wasInPicker) panel.querySelector(".picker-search input")?.focus();
      else if (focused) form.elements[focused]?.focus();
    }

    function schedulePreview() {
      clearTimeout(timer);
      timer = setTimeout(loadPreview, WAIT_MS);
    }

    form.addEventListener("input", schedulePreview);
    form.addEventListener("change", schedulePreview);
    // widgets that set values by script, such as the segment or a date, trigger jQuery events only
    if (window.django && window.django.jQuery) {
      window.django.jQuery(form).on("change", schedulePreview);
    }
    loadPreview();
  }

  function addSuggestions(input, address) {
    const list = document.createElement("datalist");
    list.id = `${input.id}-names`;
    input.setAttribute("list", list.id);
    input.setAttribute("autocomplete", "off");
    input.after(list);
    let timer = null;
    async function loadNames() {
      const query = new URLSearchParams({ field: input.dataset.suggest, q: input.value });
      const response = await fetch(`${address}?${query}`).catch(() => null);
      if (!response || !response.ok) {
        return;
      }
      const { names } = await response.json();
      list.replaceChildren(...names.map((name) => Object.assign(document.createElement("option"), { value: name })));
    }
    input.addEventListener("focus", loadNames, { once: true });
    input.addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(loadNames, WAIT_MS / 2);
    });
  }

  document.addEventListener("DOMContentLoaded", () => {
    document.querySelectorAll("[data-rule-preview]").forEach((section) => {
      showPreview(section);
      if (section.dataset.suggestUrl) {
        document.querySelectorAll("input[data-suggest]").forEach((input) => addSuggestions(input, section.dataset.suggestUrl));
      }
    });
  });
})();
