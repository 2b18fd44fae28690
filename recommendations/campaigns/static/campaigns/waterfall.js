// Draws the audience waterfall as a funnel, in the colors of the theme.
"use strict";

(() => {
  function draw() {
    const isDark = document.documentElement.classList.contains("dark");
    const ink = isDark ? "#d1d5db" : "#374151";
    document.querySelectorAll("[data-waterfall]").forEach((element) => {
      const { names, customers } = JSON.parse(document.getElementById(element.dataset.waterfall).textContent);
      const trace = {
        type: "funnel", y: names, x: customers, texttemplate: "%{value:,d}<br>%{percentInitial:.0%}", hovertemplate: "%{y}: %{value:,d}<extra></extra>",
        marker: { color: ["#94a3b8", "#38bdf8", "#73d1ad", "#40b68b"] }, connector: { fillcolor: isDark ? "rgba(255,255,255,.06)" : "rgba(0,0,0,.06)", line: { width: 0 } }, textfont: { color: "#0f172a" },
      };
      const layout = {
        font: { color: ink, size: 12 }, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
        margin: { l: 8, r: 8, t: 8, b: 8 }, yaxis: { automargin: true }, showlegend: false,
      };
      window.Plotly.react(element, [trace], layout, { displayModeBar: false, responsive: true });
    });
  }

  document.addEventListener("DOMContentLoaded", draw);
  new MutationObserver(draw).observe(document.documentElement, { attributes: true, attributeFilter: ["class"] });
})();
