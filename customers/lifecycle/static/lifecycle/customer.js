// Draws the stages of one customer over time, from the JSON beside the place.
"use strict";

(() => {
  function draw() {
    const place = document.getElementById("stage-chart");
    const data = document.getElementById("stage-chart-data");
    if (!place || !data || !window.Plotly) return;
    const chart = JSON.parse(data.textContent);
    const dark = document.documentElement.classList.contains("dark");
    const ink = dark ? "#d1d5db" : "#374151";
    const grid = dark ? "#374151" : "#e5e7eb";
    const now = place.dataset.now;
    const last = chart.values[chart.values.length - 1];
    const traces = [
      {
        type: "scatter", mode: "lines", name: chart.stage_label, line: { shape: "hv", width: 2, color: dark ? "#40b68b" : "#117d5c" },
        x: [...chart.at, now], y: [...chart.values, last], text: [...chart.reasons, chart.reasons[chart.reasons.length - 1]],
        hovertemplate: "%{x|%Y-%m-%d}<br>%{y}: %{text}<extra></extra>",
      },
      {
        type: "scatter", mode: "markers", name: chart.orders_label, x: chart.orders, y: chart.orders.map(() => chart.stages[0]),
        marker: { symbol: "line-ns-open", size: 10, color: ink }, hovertemplate: "%{x|%Y-%m-%d %H:%M}<extra></extra>", yaxis: "y2",
      },
    ];
    const layout = {
      font: { family: "Inter, 'Noto Sans CJK SC', 'PingFang SC', 'Microsoft YaHei', sans-serif", size: 12, color: ink },
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", margin: { l: 8, r: 12, t: 8, b: 8 }, autosize: true,
      showlegend: true, legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom" },
      xaxis: { gridcolor: grid, automargin: true, type: "date", tickformat: "%Y-%m-%d", nticks: 8, anchor: "y2" },
      yaxis: {
        gridcolor: grid, automargin: true, type: "category", categoryorder: "array", categoryarray: chart.stages,
        range: [-0.5, chart.stages.length - 0.5], domain: [0.1, 1], fixedrange: true,
      },
      yaxis2: { visible: false, type: "category", domain: [0, 0.06], fixedrange: true },
    };
    window.Plotly.react(place, traces, layout, { displayModeBar: false, responsive: true });
  }

  document.addEventListener("DOMContentLoaded", draw);
  new MutationObserver(draw).observe(document.documentElement, { attributes: true, attributeFilter: ["class"] });
})();
