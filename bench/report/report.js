"use strict";
// Draws the charts of a report: each figure that names one gets it from the
// data in the page. Colours are the sheet's, so that day and night both fit.
(() => {
  const root = document.documentElement;
  addEventListener("error", (e) => { root.dataset.faults = (root.dataset.faults || "") + e.message + "; "; });
  addEventListener("securitypolicyviolation", (e) => { root.dataset.faults = (root.dataset.faults || "") + "wants " + e.blockedURI + "; "; });

  const data = JSON.parse(document.getElementById("data").textContent);
  const colour = (name) => getComputedStyle(root).getPropertyValue("--" + name).trim();

  // Three digits that count, as the tables have them.
  const digits = (v) => Math.abs(v) >= 100 ? Math.round(v).toLocaleString("en") : String(Number(v.toPrecision(3)));
  const unit = (steps) => (v) => {
    if (v == null) return "–";
    if (v === 0) return "0";
    let [per, name] = steps[0];
    for (const [p, n] of steps) if (Math.abs(v) >= p) [per, name] = [p, n];
    return digits(v / per) + " " + name;
  };
  const micros = unit([[1, "µs"], [1e3, "ms"], [1e6, "s"]]);
  const bytes = unit([[1, "B"], [1e3, "kB"], [1e6, "MB"], [1e9, "GB"]]);
  const plain = (v) => v == null ? "–" : digits(v);
  const secs = (v) => v == null ? "–" : digits(v) + " s";
  const percent = (v) => v == null ? "–" : digits(v) + " %";

  const alpha = (hex, a) => hex + Math.round(a * 255).toString(16).padStart(2, "0");
  const drawn = [];

  // line draws series over x. Each series: {label, values, hue, fill, dash, steps, gaps}.
  function line(place, { x, xs, y, series, logX, logY, xTicks, xWrite }) {
    const width = place.clientWidth;
    const axis = () => colour("soft"), grid = { stroke: () => colour("grid"), width: 1 };
    const options = {
      width, height: 260,
      cursor: { points: { size: 6 }, y: false },
      legend: { live: true },
      scales: {
        x: { time: false, distr: logX ? 3 : 1 },
        y: { distr: logY ? 3 : 1, range: logY ? undefined : (u, min, max) => [0, max > 0 ? max * 1.08 : 1] },
      },
      axes: [
        { stroke: axis, grid, ticks: grid, splits: xTicks, filter: xTicks ? undefined : logX ? (u, s) => s.map(decade) : undefined,
          values: (u, s) => s.map((v) => v == null ? "" : xWrite(v)) },
        { stroke: axis, grid, ticks: grid, size: 74, filter: logY ? (u, s) => s.map(decade) : undefined,
          values: (u, s) => s.map((v) => v == null ? "" : y(v)) },
      ],
      series: [{ label: x, value: (u, v) => v == null ? "–" : xWrite(v) }].concat(series.map((s) => ({
        label: s.label, value: (u, v) => y(v), width: 1.75, dash: s.dash,
        stroke: () => colour("hue" + s.hue), fill: s.fill ? () => alpha(colour("hue" + s.hue), .18) : undefined,
        paths: s.steps ? uPlot.paths.stepped({ align: s.steps }) : undefined, points: { show: xs.length < 3 }, spanGaps: !s.gaps,
      }))),
    };
    const plot = new uPlot(options, [xs].concat(series.map((s) => s.values)), place);
    drawn.push({ plot, place });
  }
  // Of a logarithmic axis only 1, 10, 100, … are written.
  const decade = (v) => { const l = Math.log10(v); return Math.abs(l - Math.round(l)) < 1e-6 ? v : null; };

  const pick = (list, key) => list.map((p) => p[key]);
  const overTime = (place, rest) => line(place, { x: "time", xWrite: secs, ...rest });

  const charts = {
    connections(place) {
      const s = data.series, series = [{ label: "open", values: pick(s, "open"), hue: 0, fill: true }, { label: "opening", values: pick(s, "opening"), hue: 1 }];
      if (s.some((p) => p.failed)) series.push({ label: "failed so far", values: pick(s, "failed"), hue: 4 });
      if (s.some((p) => p.lost)) series.push({ label: "lost so far", values: pick(s, "lost"), hue: 3, dash: [6, 4] });
      overTime(place, { xs: pick(s, "at"), y: plain, series });
    },
    messages(place) {
      overTime(place, { xs: pick(data.series, "at"), y: plain, series: [{ label: "per second", values: pick(data.series, "messages"), hue: 2, fill: true }] });
    },
    latency(place) {
      const positive = (key) => data.series.map((p) => p[key] > 0 ? p[key] : null);
      overTime(place, { xs: pick(data.series, "at"), y: micros, series: [
        { label: "p50", values: positive("p50"), hue: 0, gaps: true }, { label: "p99", values: positive("p99"), hue: 1, gaps: true }] });
    },
    // The curve of percentiles: to the right the rare, slow ones, ten times rarer at each mark.
    percentiles(place) {
      const kinds = Object.keys(data.latency).filter((k) => (data.latency[k].histogram || []).length);
      const marks = new Set(), curves = kinds.map((kind) => {
        const { histogram, count } = data.latency[kind], curve = [];
        let seen = 0;
        for (const bar of histogram) {
          seen += bar.count;
          // The last value has nothing beyond it; it stands where one in 2·count would.
          const rarity = Math.max(count / Math.max(count - seen, .5), 1);
          curve.push([rarity, bar.to]);
          marks.add(rarity);
        }
        return curve;
      });
      const xs = [...marks].sort((a, b) => a - b);
      const series = curves.map((curve, i) => {
        const at = new Map(curve);
        return { label: kinds[i], hue: i % 8, values: xs.map((m) => at.has(m) ? at.get(m) : null) };
      });
      const ticks = [2, 10, 100, 1e3, 1e4, 1e5, 1e6].filter((m) => m <= xs[xs.length - 1]);
      line(place, { x: "percentile", xs, y: micros, series, logX: true, logY: true, xTicks: () => ticks,
        xWrite: (m) => "p" + Number((100 * (1 - 1 / m)).toPrecision(7)) });
    },
    histogram(place, kind) {
      const xs = [], values = [], bars = data.latency[kind].histogram;
      bars.forEach((bar, i) => {
        const from = Math.max(bar.from, bars[0].to / 2, 1e-3);
        if (i > 0 && bars[i - 1].to < bar.from * .9999) { xs.push(bars[i - 1].to); values.push(0); }
        xs.push(from); values.push(bar.count);
      });
      xs.push(bars[bars.length - 1].to); values.push(0);
      line(place, { x: "above", xs, y: plain, logX: true, xWrite: micros, series: [{ label: kind, values, hue: 0, fill: true, steps: 1 }] });
    },
    memory(place) { targets(place, bytes, (p) => p.pss); },
    cpu(place) {
      targets(place, percent, (p, before) => before && p.at > before.at ? 100 * (p.cpu_seconds - before.cpu_seconds) / (p.at - before.at) : null);
    },
    descriptors(place) { targets(place, plain, (p) => p.fds); },
    waterfall,
  };

  function targets(place, y, read) {
    const all = data.targets.filter((t) => (t.series || []).length);
    const xs = [...new Set(all.flatMap((t) => pick(t.series, "at")))].sort((a, b) => a - b);
    overTime(place, { xs, y, series: all.map((t, i) => {
      const at = new Map(t.series.map((p, k) => [p.at, read(p, t.series[k - 1])]));
      return { label: `${t.command} (${t.pid})`, hue: i % 8, fill: all.length === 1, values: xs.map((m) => at.has(m) ? at.get(m) : null) };
    }) });
  }

  const kinds = [["REQ_HOME", 0], ["REQ_GET", 6], ["REQ_", 2], ["WS_OPEN", 3], ["WS_SEND", 5], ["WS_RECV", 1], ["WS_CLOSE", 4]];
  const hueOf = (type) => (kinds.find(([start]) => type.startsWith(start)) || ["", 7])[1];

  // One session, a line of the recording in each row.
  function waterfall(place) {
    const length = (s) => Math.max(...s.events.map((e) => e.end), 0);
    const sessions = data.sessions.filter((s) => s.events && s.events.length).sort((a, b) => (b.failed || 0) - (a.failed || 0) || length(b) - length(a));
    if (!sessions.length) { place.append("No session came to its first line."); drawn.push({ place }); return; }
    const select = document.createElement("select");
    select.setAttribute("aria-label", "Session");
    for (const s of sessions) select.add(new Option(`session ${s.session} · worker ${s.worker}, iteration ${s.iteration} · ${secs(length(s))}${s.failed ? " · failed" : ""}`));
    const falls = document.createElement("div");
    falls.className = "falls";
    const legend = document.createElement("p");
    legend.className = "legend";
    for (const [start, hue] of kinds) {
      const item = document.createElement("span"), dot = document.createElement("i");
      dot.className = "hue" + hue;
      item.append(dot, start === "REQ_" ? "other requests" : start);
      legend.append(item);
    }
    place.append(select, legend, falls);
    const longest = Math.max(...sessions.map(length), .001);
    const show = () => { falls.replaceChildren(fall(sessions[select.selectedIndex], longest, falls.clientWidth)); };
    select.addEventListener("change", show);
    show();
    drawn.push({ place, again: show });
  }

  function fall(session, longest, width) {
    const svg = (name, attributes, text) => {
      const e = document.createElementNS("http://www.w3.org/2000/svg", name);
      for (const k in attributes) e.setAttribute(k, attributes[k]);
      if (text != null) e.textContent = text;
      return e;
    };
    const row = 17, left = 190, top = 20, right = 60, across = Math.max(width - left - right, 200);
    const height = top + session.events.length * row + 4, picture = svg("svg", { width: left + across + right, height, role: "img", "aria-label": "Waterfall of session " + session.session });
    const step = [.1, .2, .5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000].find((s) => longest / s <= 10) || longest / 10;
    for (let t = 0; t <= longest + 1e-9; t += step) {
      const x = left + across * t / longest;
      picture.append(svg("line", { x1: x, x2: x, y1: top - 4, y2: height }), svg("text", { x, y: 11, "text-anchor": "middle" }, secs(t)));
    }
    session.events.forEach((e, i) => {
      const y = top + i * row, x = left + across * e.begin / longest, w = Math.max(across * (e.end - e.begin) / longest, 1.5);
      const bar = svg("rect", { x, y: y + 3, width: w, height: row - 6, rx: 2 });
      bar.style.fill = `var(--hue${hueOf(e.type)})`;
      bar.append(svg("title", {}, `line ${e.line} ${e.type}: ${micros((e.end - e.begin) * 1e6)} from ${secs(e.begin)}`));
      picture.append(svg("text", { x: left - 8, y: y + row - 5, "text-anchor": "end" }, `${e.type} ${e.line}`), bar,
        svg("text", { x: x + w + 5, y: y + row - 5 }, micros((e.end - e.begin) * 1e6)));
    });
    return picture;
  }

  function draw() {
    for (const { plot, place } of drawn.splice(0)) { if (plot) plot.destroy(); place.replaceChildren(); }
    for (const figure of document.querySelectorAll("[data-chart]")) charts[figure.dataset.chart](figure.querySelector(".plot"), figure.dataset.of);
    root.dataset.drawn = drawn.length;
  }
  draw();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  let width = innerWidth, later;
  addEventListener("resize", () => { if (innerWidth !== width) { width = innerWidth; clearTimeout(later); later = setTimeout(draw, 100); } });
})();
