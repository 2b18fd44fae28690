// Moves the bar of a training that is under way, and shows the list anew when it has ended.
"use strict";

(() => {
  const ASK_EVERY_MS = 2000;

  function follow(place) {
    const bar = place.querySelector("progress");
    const text = place.querySelector("[data-standing-text]");
    const ask = async () => {
      const response = await fetch(place.dataset.standing, { headers: { Accept: "application/json" } }).catch(() => null);
      if (response && response.ok) {
        const standing = await response.json();
        if (!standing.running) {
          window.location.reload();
          return;
        }
        bar.value = standing.percent;
        text.textContent = standing.text;
      }
      setTimeout(ask, ASK_EVERY_MS);
    };
    setTimeout(ask, ASK_EVERY_MS);
  }

  document.addEventListener("DOMContentLoaded", () => document.querySelectorAll("[data-standing]").forEach(follow));
})();
