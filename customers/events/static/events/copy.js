// Lets a button copy the text beside it, if the browser allows it (HTTPS or localhost).
"use strict";

(() => {
  function readText(element) {
    return "value" in element ? element.value : element.textContent;
  }

  document.addEventListener("DOMContentLoaded", () => {
    if (!navigator.clipboard) return;
    document.querySelectorAll("[data-copy]").forEach((button) => {
      const label = button.textContent;
      button.hidden = false;
      button.addEventListener("click", async () => {
        await navigator.clipboard.writeText(readText(document.getElementById(button.dataset.copy)));
        button.textContent = button.dataset.copied;
        setTimeout(() => { button.textContent = label; }, 2000);
      });
    });
  });
})();
