// Draws the events per minute as bars stacked by source, rejected events on top, in the colors of the theme.
"use strict";

(() => {
  const COLORS = ["#117d5c", "#38bdf8", "#f59e0b", "#8b5cf6", "#64748b", "#84cc16", "#0e7490", "#ec4899"];

  function draw() {
    const isDark = document.documentElement.classList.contains("dark");
    const ink = isDark ? "#d1d5db" : "#374151";
    const grid = isDark ? "#374151" : "#e5e7eb";
    document.querySelectorAll("[data-minutes]").forEach((place) => {
      const chart = JSON.parse(document.getElementById(place.dataset.minutes).textContent);
      const bars = chart.sources.map((source, number) => ({
        type: "bar", name: source.name, x: chart.labels, y: source.counts, customdata: source.links,
        hovertemplate: "%{x}: %{y:,d}<extra>%{fullData.name}</extra>", marker: { color: COLORS[number % COLORS.length] },
      }));
      const rejected = {
        type: "bar", name: chart.rejectedName, x: chart.labels, y: chart.rejected,
        hovertemplate: "%{x}: %{y:,d}<extra>%{fullData.name}</extra>", marker: { color: isDark ? "#f87171" : "#b91c1c" },
      };
      const layout = {
        font: { family: "Inter, 'Noto Sans CJK SC', 'PingFang SC', 'Microsoft YaHei', sans-serif", size: 12, color: ink },
        paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", margin: { l: 8, r: 12, t: 8, b: 8 }, autosize: true, barmode: "stack", bargap: 0.1,
        showlegend: true, legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom" },
        hoverlabel: { bgcolor: isDark ? "#111827" : "#ffffff", bordercolor: grid, font: { color: ink } },
        xaxis: { type: "category", gridcolor: grid, automargin: true, showgrid: false, fixedrange: true, nticks: place.clientWidth < 500 ? 5 : 12, tickangle: 0 },
        yaxis: { gridcolor: grid, automargin: true, rangemode: "tozero", nticks: 5, tickformat: "~s", ...(chart.peak < 5 ? { dtick: 1 } : {}), zeroline: false, fixedrange: true },
      };
      window.Plotly.react(place, chart.rejected.some(Boolean) ? [...bars, rejected] : bars, layout, { displayModeBar: false, responsive: true });
      if (place.dataset.ready) return;
      place.dataset.ready = "true";
      place.on("plotly_click", (event) => {
        const link = event.points[0].customdata;
        if (link) window.location.assign(link);
      });
    });
  }

  document.addEventListener("DOMContentLoaded", draw);
  new MutationObserver(draw).observe(document.documentElement, { attributes: true, attributeFilter: ["class"] });
})();
