// Updates the progress bar of a running training, and reloads the list when a training has finished or one that waits may have started.
"use strict";

(() => {
  const POLL_INTERVAL_MS = 2000;

  function pollProgress(section) {
    const bar = section.querySelector("progress");
    const text = section.querySelector("[data-progress-text]");
    const poll = async () => {
      const response = await fetch(section.dataset.progressUrl, { headers: { Accept: "application/json" } }).catch(() => null);
      if (response && response.ok) {
        const progress = await response.json();
        if (!progress.running) {
          window.location.reload();
          return;
        }
        bar.value = progress.percent;
        text.textContent = progress.text;
      }
      setTimeout(poll, POLL_INTERVAL_MS);
    };
    setTimeout(poll, POLL_INTERVAL_MS);
  }

  document.addEventListener("DOMContentLoaded", () => {
    document.querySelectorAll("[data-progress-url]").forEach(pollProgress);
    if (document.querySelector("[data-waits]")) setTimeout(() => window.location.reload(), POLL_INTERVAL_MS);
  });
})();
