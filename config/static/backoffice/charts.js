// Draws the charts of the back office from the JSON beside them, in the colours of the theme.
// A place for a chart: <div data-chart="ID"></div> with its description in <script id="ID" type="application/json">.
"use strict";

(() => {
  const STAGE_COLOURS = {
    visitor: "#94a3b8", prospect: "#64748b", new: "#38bdf8", active: "#22a06b", loyal: "#117d5c",
    at_risk: "#f59e0b", dormant: "#ea580c", churned: "#b91c1c", reactivated: "#8b5cf6",
  };
  const RFM_COLOURS = {
    champions: "#117d5c", loyal: "#22a06b", potential_loyalists: "#65a30d", new: "#38bdf8", promising: "#818cf8",
    need_attention: "#eab308", about_to_sleep: "#f59e0b", cant_lose: "#b91c1c", at_risk: "#ea580c", hibernating: "#94a3b8",
  };
  const PALETTES = { stages: STAGE_COLOURS, rfm: RFM_COLOURS };
  const PHONE = 440;

  const isDark = () => document.documentElement.classList.contains("dark");

  function theme() {
    return isDark()
      ? { ink: "#d1d5db", faint: "#9ca3af", grid: "#374151", paper: "#111827", main: "#40b68b", other: "#9ca3af", before: "#fbbf24",
          scale: [[0, "#1b2735"], [0.01, "#123d33"], [0.35, "#0e5441"], [1, "#1b8f69"]] }
      : { ink: "#374151", faint: "#6b7280", grid: "#e5e7eb", paper: "#ffffff", main: "#117d5c", other: "#9ca3af", before: "#d97706",
          scale: [[0, "#f8fafc"], [0.01, "#e4f5ec"], [0.35, "#8ed3b3"], [1, "#117d5c"]] };
  }

  function layout(colours, more) {
    const axis = { gridcolor: colours.grid, zeroline: false, linecolor: colours.grid, automargin: true, fixedrange: true };
    return {
      font: { family: "Inter, 'Noto Sans CJK SC', 'PingFang SC', 'Microsoft YaHei', sans-serif", size: 12, color: colours.ink },
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      margin: { l: 8, r: 12, t: 8, b: 8 }, autosize: true, showlegend: false, bargap: 0.25,
      hoverlabel: { bgcolor: colours.paper, bordercolor: colours.grid, font: { color: colours.ink } },
      ...more, xaxis: { ...axis, ...more.xaxis }, yaxis: { ...axis, ...more.yaxis },
    };
  }

  function period(spec, colours) {
    const [now, before] = spec.series;
    return {
      traces: [
        { type: "bar", name: now.name, x: spec.labels, y: now.values, customdata: spec.links, text: now.texts, textposition: "none",
          hovertemplate: "%{x}: %{text}<extra>%{fullData.name}</extra>", marker: { color: colours.main } },
        { type: "scatter", mode: "lines", name: before.name, x: spec.labels, y: before.values, text: before.texts,
          hovertemplate: "%{text}<extra>%{fullData.name}</extra>", line: { color: colours.before, width: 2, dash: "dot" } },
      ],
      layout: layout(colours, {
        showlegend: true, legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom" },
        xaxis: { type: "category", showgrid: false, nticks: 7 }, yaxis: { rangemode: "tozero", nticks: 5, tickformat: "~s" },
      }),
    };
  }

  function stages(spec, colours) {
    return {
      traces: [{
        type: "bar", orientation: "h", y: spec.labels, x: spec.values, customdata: spec.links, text: spec.texts, textposition: "auto",
        cliponaxis: false, hovertemplate: "%{y}: %{text}<extra></extra>", constraintext: "none", textangle: 0,
        marker: { color: spec.keys.map((key) => STAGE_COLOURS[key] || colours.main) },
      }],
      layout: layout(colours, {
        margin: { l: 8, r: 40, t: 8, b: 8 },
        xaxis: { rangemode: "tozero", nticks: 5, tickformat: "~s" }, yaxis: { autorange: "reversed", type: "category", showgrid: false },
      }),
    };
  }

  function map(spec, colours, width) {
    const texts = cellTexts(spec, width);
    return {
      traces: [{
        type: "heatmap", x: spec.labels, y: spec.rows, z: spec.values, customdata: spec.links, hovertext: spec.texts.map(lines),
        text: texts.map((row) => wrapped(row, width)), texttemplate: "%{text}", textfont: { size: 11 }, xgap: 3, ygap: 3,
        hovertemplate: "R %{x} · F %{y}<br>%{hovertext}<extra></extra>", colorscale: colours.scale, showscale: false,
      }],
      layout: layout(colours, {
        xaxis: { type: "category", title: { text: spec.across, standoff: 8 }, showgrid: false },
        yaxis: { type: "category", title: { text: spec.up, standoff: 8 }, showgrid: false },
      }),
    };
  }

  // As the map, but a cell has the colour of its group, whatever its number.
  function groups(spec, colours, width) {
    const keys = Object.keys(RFM_COLOURS);
    const part = 1 / keys.length;
    const scale = keys.flatMap((key, i) => [[i * part, shade(key)], [(i + 1) * part, shade(key)]]);
    const chart = map({ ...spec, values: spec.keys.map((row) => row.map((key) => keys.indexOf(key) + 0.5)) }, colours, width);
    Object.assign(chart.traces[0], { colorscale: scale, zmin: 0, zmax: keys.length, textfont: { size: 11, color: colours.ink } });
    return chart;
  }

  const shade = (key) => `${RFM_COLOURS[key]}${isDark() ? "80" : "59"}`;

  // On a phone a cell has no room for its name.
  const cellTexts = (spec, width) => (width < PHONE
    ? spec.texts.map((row) => row.map((text) => text.split("\n").slice(1).join("\n"))) : spec.texts);

  const lines = (row) => row.map((text) => text.replace("\n", ": ").replace("\n", " · "));
  // A name of two words needs two lines where cells are narrow.
  const wrapped = (row, width) => row.map((text) => (width < 760 ? text.replace(" ", "<br>") : text).replaceAll("\n", "<br>"));

  // Breaks a long label at a space, so that it leaves room for the chart on a phone.
  function broken(label) {
    const parts = [""];
    for (const word of label.split(" ")) {
      if (parts.at(-1) && parts.at(-1).length + word.length > 14) parts.push("");
      parts[parts.length - 1] = `${parts.at(-1)} ${word}`.trim();
    }
    return parts.join("<br>");
  }

  function intervals(spec, colours, width) {
    const labels = width < PHONE ? spec.labels.map(broken) : spec.labels;
    const above = spec.values.map((value, i) => (spec.high[i] === null ? 0 : spec.high[i] - value));
    const below = spec.values.map((value, i) => (spec.low[i] === null ? 0 : value - spec.low[i]));
    return {
      traces: [{
        type: "scatter", mode: "markers", y: labels, x: spec.values, text: spec.texts, hovertemplate: "%{y}: %{text}<extra></extra>",
        error_x: { type: "data", symmetric: false, array: above, arrayminus: below, color: colours.faint, thickness: 2, width: 6 },
        marker: { size: 12, color: spec.serves.map((serves) => (serves ? colours.main : colours.other)) },
      }],
      layout: layout(colours, {
        xaxis: { title: { text: spec.across, standoff: 8 }, rangemode: "tozero", nticks: 6 },
        yaxis: { autorange: "reversed", type: "category" },
      }),
    };
  }

  // Points with names beside them, or, where there are many (`plain`), names only under the pointer.
  function points(spec, colours, width) {
    const names = spec.plain ? spec.labels.map(() => "") : unhidden(spec, width);
    const end = Math.max(...spec.x) / 2;
    return {
      traces: [{
        type: "scatter", mode: "markers+text", x: spec.x, y: spec.y, text: names, hovertext: spec.labels,
        textposition: spec.x.map((x) => (x > end ? "top left" : "top right")), textfont: { size: 11 }, cliponaxis: false,
        hovertemplate: "%{hovertext}<br>%{x}, %{y:.4f}<extra></extra>",
        marker: { size: spec.plain ? 8 : 11, color: spec.serves.map((serves) => (serves ? colours.main : colours.other)) },
      }],
      layout: layout(colours, {
        margin: { l: 8, r: 24, t: 24, b: 8 },
        xaxis: { title: { text: spec.across, standoff: 8 }, rangemode: "tozero", nticks: 6 },
        yaxis: { title: { text: spec.up, standoff: 8 }, rangemode: "tozero", nticks: 6 },
      }),
    };
  }

  // The names of those points that do not lie under the name of one before them; the others' are under the pointer.
  function unhidden(spec, width) {
    const across = Math.max(...spec.x) || 1;
    const up = Math.max(...spec.y) || 1;
    const taken = [];
    return spec.labels.map((label, i) => {
      const x = spec.x[i] / across;
      const y = spec.y[i] / up;
      if (taken.some((other) => Math.abs(other.x - x) < (width < PHONE ? 0.6 : 0.25) && Math.abs(other.y - y) < 0.08)) return "";
      taken.push({ x, y });
      return width < PHONE ? broken(label) : label;
    });
  }

  // Flows from the states on the left to those on the right; a click on one opens its people.
  function sankey(spec, colours) {
    const colour = (key) => PALETTES[spec.palette][key] || colours.other;
    return {
      traces: [{
        type: "sankey", orientation: "h", arrangement: "snap", valueformat: ",d",
        node: { label: spec.labels, color: spec.keys.map(colour), pad: 16, thickness: 14, line: { width: 0 },
          hovertemplate: "%{label}: %{value}<extra></extra>" },
        link: { source: spec.source, target: spec.target, value: spec.values, customdata: spec.links,
          color: spec.target.map((place) => `${colour(spec.keys[place])}${isDark() ? "99" : "66"}`),
          hovertemplate: "%{source.label} → %{target.label}: %{value}<extra></extra>" },
      }],
      layout: layout(colours, {}),
    };
  }

  function columns(spec, colours) {
    return {
      traces: [{
        type: "bar", x: spec.labels, y: spec.values, customdata: spec.links, text: spec.texts, textposition: "outside", cliponaxis: false,
        hovertemplate: "%{x}: %{text}<extra></extra>", marker: { color: colours.main },
      }],
      layout: layout(colours, {
        margin: { l: 8, r: 12, t: 20, b: 8 },
        xaxis: { type: "category", showgrid: false, title: { text: spec.across, standoff: 8 } },
        yaxis: { rangemode: "tozero", nticks: 5, tickformat: spec.ticks || "~s", title: { text: spec.up, standoff: 8 } },
      }),
    };
  }

  // What came beside what was foretold.
  function pairs(spec, colours) {
    const looks = [{ color: colours.main }, { color: colours.before }];
    return {
      traces: spec.series.map((one, i) => ({
        type: spec.lines ? "scatter" : "bar", mode: spec.lines ? "lines" : undefined, name: one.name, x: spec.labels, y: one.values,
        marker: looks[i], line: { ...looks[i], width: 2, dash: i ? "dot" : "solid" }, hovertemplate: "%{x}: %{y}<extra>%{fullData.name}</extra>",
      })),
      layout: layout(colours, {
        showlegend: true, legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom" },
        xaxis: { type: "category", showgrid: false, nticks: 8, title: { text: spec.across, standoff: 8 } },
        yaxis: { rangemode: "tozero", nticks: 5, tickformat: "~s", title: { text: spec.up, standoff: 8 } },
      }),
    };
  }

  // A share of one over time, in percent, and below it when something happened.
  function curve(spec, colours) {
    return {
      traces: [
        { type: "scatter", mode: "lines", name: spec.name, x: spec.at, y: spec.values, line: { color: colours.main, width: 2 },
          hovertemplate: "%{x|%Y-%m-%d}: %{y} %<extra></extra>" },
        { type: "scatter", mode: "markers", name: spec.marks_name, x: spec.marks, y: spec.marks.map(() => 0), yaxis: "y2",
          marker: { symbol: "line-ns-open", size: 10, color: colours.ink }, hovertemplate: "%{x|%Y-%m-%d}<extra></extra>" },
      ],
      layout: layout(colours, {
        showlegend: true, legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom" },
        xaxis: { type: "date", tickformat: "%Y-%m-%d", nticks: 8, anchor: "y2" },
        yaxis: { range: [0, 102], ticksuffix: " %", nticks: 6, domain: [0.1, 1] },
        yaxis2: { visible: false, domain: [0, 0.06], fixedrange: true },
      }),
    };
  }

  // What was said against what came, both in percent; on the line they are equal.
  function calibration(spec, colours) {
    const most = Math.min(100, 1.08 * Math.max(...spec.said, ...spec.high));
    return {
      traces: [
        { type: "scatter", mode: "lines", name: spec.exact, x: [0, most], y: [0, most], hoverinfo: "skip",
          line: { color: colours.other, width: 1, dash: "dot" } },
        { type: "scatter", mode: "markers", x: spec.said, y: spec.happened, customdata: spec.customers, showlegend: false,
          marker: { color: colours.main, size: 9 }, hovertemplate: "%{x} % → %{y} % (%{customdata:,d})<extra></extra>",
          error_y: { type: "data", symmetric: false, array: spec.high.map((high, i) => high - spec.happened[i]),
            arrayminus: spec.low.map((low, i) => spec.happened[i] - low), color: colours.faint, thickness: 1.5, width: 4 } },
      ],
      layout: layout(colours, {
        showlegend: true, legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom" },
        xaxis: { range: [0, most], nticks: 6, title: { text: spec.across, standoff: 8 } },
        yaxis: { range: [0, most], nticks: 6, title: { text: spec.up, standoff: 8 } },
      }),
    };
  }

  // One closed line for each group, on axes from 0 to 100.
  function radar(spec, colours) {
    const inks = ["#117d5c", "#d97706", "#2563eb", "#b91c1c", "#7c3aed", "#0891b2", "#65a30d", "#be185d", "#64748b", "#a16207"];
    return {
      traces: spec.series.map((one, i) => ({
        type: "scatterpolar", name: one.name, r: [...one.values, one.values[0]], theta: [...spec.labels, spec.labels[0]],
        line: { color: inks[i % inks.length], width: 2 }, fill: spec.series.length > 3 ? "none" : "toself", opacity: 0.9,
        hovertemplate: "%{theta}: %{r}<extra>%{fullData.name}</extra>",
      })),
      layout: layout(colours, {
        showlegend: true, legend: { orientation: "h", x: 0, y: -0.1, yanchor: "top" }, margin: { l: 60, r: 60, t: 24, b: 24 },
        polar: { bgcolor: "rgba(0,0,0,0)", radialaxis: { range: [0, 100], gridcolor: colours.grid, nticks: 5 },
          angularaxis: { gridcolor: colours.grid } },
      }),
    };
  }

  const KINDS = { period, stages, map, groups, intervals, points, sankey, columns, pairs, curve, calibration, radar };

  function draw(place) {
    const spec = JSON.parse(document.getElementById(place.dataset.chart).textContent);
    const chart = KINDS[spec.kind](spec, theme(), place.clientWidth);
    window.Plotly.react(place, chart.traces, chart.layout, { displayModeBar: false, responsive: true });
    if (place.dataset.ready) return;
    place.dataset.ready = "true";
    place.on("plotly_click", (event) => {
      const link = event.points[0].customdata;
      if (typeof link === "string" && link) window.location.assign(link);
    });
  }

  function drawAll() {
    document.querySelectorAll("[data-chart]").forEach(draw);
  }

  document.addEventListener("DOMContentLoaded", () => {
    drawAll();
    document.querySelectorAll(".rfm-dot").forEach((dot) => { dot.style.background = RFM_COLOURS[dot.dataset.group]; });
  });
  new MutationObserver(drawAll).observe(document.documentElement, { attributes: true, attributeFilter: ["class"] });
})();
