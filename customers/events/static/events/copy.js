// Lets a button copy the text beside it, where the browser allows that (https, or this machine).
"use strict";

(() => {
  function textOf(place) {
    return "value" in place ? place.value : place.textContent;
  }

  document.addEventListener("DOMContentLoaded", () => {
    if (!navigator.clipboard) return;
    document.querySelectorAll("[data-copy]").forEach((button) => {
      const label = button.textContent;
      button.hidden = false;
      button.addEventListener("click", async () => {
        await navigator.clipboard.writeText(textOf(document.getElementById(button.dataset.copy)));
        button.textContent = button.dataset.copied;
        setTimeout(() => { button.textContent = label; }, 2000);
      });
    });
  });
})();
