// Downloads a chart of Analytics as an image.
"use strict";

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-chart-download]");
  const place = button && document.querySelector(`[data-chart="${CSS.escape(button.dataset.chartDownload)}"]`);
  if (!place || !place.dataset.ready) return;
  window.Plotly.downloadImage(place, { format: "png", filename: button.dataset.file, width: 1200, height: 600, scale: 2 });
});
