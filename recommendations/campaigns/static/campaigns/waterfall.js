// Draws the audience waterfall as a funnel, in the colours of the theme.
"use strict";

(() => {
  function draw() {
    const isDark = document.documentElement.classList.contains("dark");
    const ink = isDark ? "#d1d5db" : "#374151";
    document.querySelectorAll("[data-waterfall]").forEach((place) => {
      const { names, customers } = JSON.parse(document.getElementById(place.dataset.waterfall).textContent);
      const trace = {
        type: "funnel", y: names, x: customers, textinfo: "value+percent initial", hoverinfo: "y+x",
        marker: { color: ["#94a3b8", "#38bdf8", "#40b68b", "#117d5c"] }, connector: { line: { width: 0 } },
      };
      const layout = {
        font: { color: ink, size: 12 }, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
        margin: { l: 8, r: 8, t: 8, b: 8 }, yaxis: { automargin: true }, showlegend: false,
      };
      window.Plotly.react(place, [trace], layout, { displayModeBar: false, responsive: true });
    });
  }

  document.addEventListener("DOMContentLoaded", draw);
  new MutationObserver(draw).observe(document.documentElement, { attributes: true, attributeFilter: ["class"] });
})();
