// Draws the charts of the back office from the specs that config/foundation/charts/ builds.
// Scripts of a page: {% chart_scripts %}. Place of a chart: the component <c-chart>.
"use strict";

(() => {
  const PHONE_WIDTH = 440;
  const LIGHT = {
    ink: "#374151", faint: "#6b7280", grid: "#e5e7eb", paper: "#ffffff", main: "#117d5c", other: "#9ca3af", before: "#f59e0b", warning: "#b91c1c",
    scale: [[0, "#f8fafc"], [0.01, "#e4f5ec"], [0.35, "#8ed3b3"], [1, "#117d5c"]], opacity: { cell: "59", flow: "66" },
  };
  const DARK = {
    ink: "#d1d5db", faint: "#9ca3af", grid: "#374151", paper: "#111827", main: "#40b68b", other: "#6b7280", before: "#fde68a", warning: "#f87171",
    scale: [[0, "#1b2735"], [0.01, "#123d33"], [0.35, "#0e5441"], [1, "#1b8f69"]], opacity: { cell: "80", flow: "99" },
  };

  const currentTheme = () => (document.documentElement.classList.contains("dark") ? DARK : LIGHT);

  // Replaces "theme:main" by a color of the theme, and "#117d5c~cell" by that color with an opacity of the theme.
  function resolveColors(value, theme) {
    if (typeof value === "string") {
      if (value.startsWith("theme:")) return theme[value.slice(6)];
      const faded = /^(#[0-9a-f]{6}|theme:\w+)~(\w+)$/.exec(value);
      return faded ? faded[1] + theme.opacity[faded[2]] : value;
    }
    if (Array.isArray(value)) return value.map((item) => resolveColors(item, theme));
    if (value && typeof value === "object") {
      return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, resolveColors(item, theme)]));
    }
    return value;
  }

  function buildLayout(layout, theme) {
    const axis = { gridcolor: theme.grid, zeroline: false, linecolor: theme.grid, automargin: true, fixedrange: true };
    return {
      font: { family: "Inter, 'Noto Sans CJK SC', 'PingFang SC', 'Microsoft YaHei', sans-serif", size: 12, color: theme.ink },
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      margin: { l: 8, r: 12, t: 8, b: 8 }, autosize: true, showlegend: false, bargap: 0.25,
      hoverlabel: { bgcolor: theme.paper, bordercolor: theme.grid, font: { color: theme.ink } },
      ...layout, xaxis: { ...axis, ...layout.xaxis }, yaxis: { ...axis, ...layout.yaxis },
    };
  }

  // The traces for the width of the place: the first narrow variant that fits changes them.
  function chooseTraces(spec, width) {
    const variant = (spec.narrow || []).find(({ below }) => width < below);
    return variant ? spec.traces.map((trace, i) => ({ ...trace, ...variant.traces[i] })) : spec.traces;
  }

  // The page of all bars that were brushed: the start of the first one and the end of the last one.
  function getBrushUrl(brush, points) {
    const numbers = points.map((point) => point.pointNumber);
    const bounds = { ...brush.starts[Math.min(...numbers)], ...brush.ends[Math.max(...numbers)] };
    return `${brush.url}${brush.url.includes("?") ? "&" : "?"}${new URLSearchParams(bounds)}`;
  }

  function draw(place) {
    const spec = JSON.parse(document.getElementById(place.dataset.chart).textContent);
    const theme = currentTheme();
    const traces = resolveColors(chooseTraces(spec, place.clientWidth), theme);
    const layout = buildLayout(resolveColors(spec.layout, theme), theme);
    // on a phone, dragging scrolls the page
    layout.dragmode = spec.brush && place.clientWidth >= PHONE_WIDTH ? "select" : false;
    layout.selectdirection = "h";
    window.Plotly.react(place, traces, layout, { displayModeBar: false, responsive: true });
    if (place.dataset.ready) return;
    place.dataset.ready = "true";
    place.on("plotly_click", (event) => {
      const link = event.points[0].customdata;
      if (typeof link === "string" && link) window.location.assign(link);
    });
    if (spec.brush) {
      place.on("plotly_selected", (event) => {
        if (event?.points.length) window.location.assign(getBrushUrl(spec.brush, event.points));
      });
    }
  }

  function drawAll() {
    if (window.Plotly) document.querySelectorAll("[data-chart]").forEach(draw);
  }

  // Plotly is large: it is loaded when the first chart is near the window, unless the page has loaded it itself.
  const plotlyUrl = document.currentScript?.dataset.plotly;
  let isLoading = false;
  function loadPlotly() {
    if (isLoading) return;
    isLoading = true;
    const script = document.createElement("script");
    script.src = plotlyUrl;
    script.addEventListener("load", drawAll);
    document.head.append(script);
  }

  function watchCharts() {
    if (window.Plotly || !plotlyUrl) return drawAll();
    const observer = new IntersectionObserver((entries) => {
      if (!entries.some((entry) => entry.isIntersecting)) return;
      observer.disconnect();
      loadPlotly();
    }, { rootMargin: "300px" });
    document.querySelectorAll("[data-chart]").forEach((place) => observer.observe(place));
  }

  // a print and a picture of the whole page show all charts: once the page is idle, the library is loaded for those below too
  function loadWhenIdle() {
    if (!plotlyUrl || !document.querySelector("[data-chart]")) return;
    window.requestIdleCallback ? window.requestIdleCallback(loadPlotly, { timeout: 3000 }) : window.setTimeout(loadPlotly, 1500);
  }
  window.addEventListener("load", loadWhenIdle);
  window.addEventListener("beforeprint", drawAll);
  document.addEventListener("htmx:afterSettle", watchCharts);
  document.addEventListener("DOMContentLoaded", () => {
    watchCharts();
    // the content security policy forbids style attributes
    document.querySelectorAll("[data-color]").forEach((dot) => { dot.style.background = dot.dataset.color; });
  });
  new MutationObserver(drawAll).observe(document.documentElement, { attributes: true, attributeFilter: ["class"] });
})();
