// The block editor: moves blocks by drag, and keeps the preview beside them. Blocks come from the server through htmx; moving by
// buttons and keyboard needs no script.
"use strict";

(() => {
  const form = document.getElementById("editor-form");
  const controls = document.querySelector("[data-preview-controls]");
  const frame = document.querySelector("iframe[data-preview]");
  const textPart = document.querySelector("[data-text-part]");
  let dragged = null;

  function describePreview() {
    const values = new FormData(controls);
    const query = new URLSearchParams();
    for (const name of ["language", "customer", "version", "dark"]) if (values.get(name)) query.set(name, values.get(name));
    return query.toString();
  }

  function showPreview() {
    const width = new FormData(controls).get("width") || "390";
    frame.parentElement.dataset.width = width;
    frame.src = `${controls.dataset.url}?${describePreview()}`;
    const customer = document.querySelector("[data-test-customer]");
    if (customer) customer.value = new FormData(controls).get("customer") || "";
    showText();
  }

  function showText() {
    if (textPart?.open) window.htmx.ajax("GET", `${controls.dataset.textUrl}?${describePreview()}`, { target: textPart.querySelector("[data-text-target]") });
  }

  function chooseCustomer(number) {
    const select = document.getElementById("preview-customer");
    let option = [...select.options].find((each) => each.value === number);
    if (!option) {
      option = new Option(`#${number}`, number);
      select.append(option);
    }
    select.value = number;
    showPreview();
  }

  if (controls) {
    controls.addEventListener("change", (event) => { if (event.target.name !== "customer_search") showPreview(); });
    controls.addEventListener("submit", (event) => event.preventDefault());
    controls.addEventListener("click", (event) => {
      const button = event.target.closest("[data-customer]");
      if (button) chooseCustomer(button.dataset.customer);
    });
    textPart?.addEventListener("toggle", showText);
    document.body.addEventListener("preview-changed", showPreview);
    showPreview();
  }

  if (!form) return;

  // A block is dropped before another one, or at the end of a list.
  function findTarget(event) {
    const block = event.target.closest(".block");
    const list = event.target.closest(".blocks");
    if (!list || !dragged) return null;
    if (!block || block.contains(list)) {
      const count = list.querySelectorAll(":scope > .block").length;
      return { element: list, path: list.dataset.path ? `${list.dataset.path}.${count}` : `${count}` };
    }
    return { element: block, path: block.dataset.path };
  }

  function clearMarks() {
    form.querySelectorAll(".drop-here").forEach((element) => element.classList.remove("drop-here"));
  }

  form.addEventListener("dragstart", (event) => {
    dragged = event.target.closest?.(".block") || null;
    if (!dragged || event.target.closest("input, textarea, select")) return;
    event.dataTransfer.effectAllowed = "move";
    event.dataTransfer.setData("text/plain", dragged.dataset.path);
    dragged.classList.add("dragged");
  });
  form.addEventListener("dragover", (event) => {
    const target = findTarget(event);
    if (!target || dragged.contains(target.element)) return;
    event.preventDefault();
    clearMarks();
    target.element.classList.add("drop-here");
  });
  form.addEventListener("drop", (event) => {
    const target = findTarget(event);
    if (!target || dragged.contains(target.element)) return;
    event.preventDefault();
    const button = form.querySelector("[data-drop]");
    button.value = `move ${dragged.dataset.path} ${target.path}`;
    button.click();
  });
  form.addEventListener("dragend", () => {
    dragged?.classList.remove("dragged");
    dragged = null;
    clearMarks();
  });
  // Enter in a field saves it instead of pressing the first button of the form.
  form.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.target.tagName !== "INPUT") return;
    event.preventDefault();
    event.target.dispatchEvent(new Event("change", { bubbles: true }));
  });
  document.body.addEventListener("htmx:responseError", (event) => {
    const status = document.getElementById("editor-status");
    if (status && event.detail.xhr.responseText && event.detail.xhr.status === 409) status.innerHTML = event.detail.xhr.responseText;
  });
})();
