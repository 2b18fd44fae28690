// Ticks all customers of the page at once. The table is replaced when it is sorted, so the listener is on the document.
"use strict";

document.addEventListener("change", (event) => {
  if (!event.target.matches("[data-select-all]")) return;
  event.target.closest("table").querySelectorAll("input[name=customer]").forEach((box) => {
    box.checked = event.target.checked;
  });
});
