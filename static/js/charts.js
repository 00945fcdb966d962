// Draws every [data-chart]: times on the x axis, counts on the y axis. The same figures stand
// in a table below each chart, so nothing is lost to those who can't see it.
(() => {
  "use strict";

  const LABEL_HALF = 24;
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const faded = (value, share) => `oklch(from ${value} l c h / ${share}%)`;
  const drawn = new Map();

  const DAY_S = 86400;
  const clock = (seconds, step) => {
    const moment = new Date(seconds * 1000);
    const isMidnight = moment.getHours() === 0 && moment.getMinutes() === 0;
    return step >= DAY_S || isMidnight
      ? moment.toLocaleDateString(undefined, { day: "numeric", month: "short" })
      : moment.toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit", hour12: false });
  };

  const area = (plot) => {
    const { top, height } = plot.bbox;
    const shade = plot.ctx.createLinearGradient(0, top, 0, top + height);
    shade.addColorStop(0, faded(colour("--color-primary"), 22));
    shade.addColorStop(1, faded(colour("--color-primary"), 0));
    return shade;
  };

  const axis = (extra) => ({
    stroke: colour("--x-faint"),
    font: "11px 'Inter Variable', system-ui, sans-serif",
    grid: { stroke: colour("--color-base-300"), width: 1 },
    ticks: { show: false },
    ...extra,
  });

  const tip = ({ labels, series }) => {
    let box;
    return {
      hooks: {
        init: (plot) => {
          box = document.createElement("div");
          box.className = "x-chart-tip";
          box.hidden = true;
          plot.over.append(box);
        },
        setCursor: (plot) => {
          const { idx, left } = plot.cursor;
          box.hidden = idx == null;
          if (idx == null) return;
          const moment = new Date(plot.data[0][idx] * 1000);
          const when = moment.toLocaleString(undefined, {
            weekday: "short", day: "numeric", month: "short",
            hour: "2-digit", minute: "2-digit", hour12: false,
          });
          const isRunning = idx === plot.data[0].length - 1;
          const figures = labels.map((label, at) => {
            const value = series[at][idx];
            return `${label}: ${value == null ? "no data" : value.toLocaleString()}`;
          });
          box.replaceChildren();
          for (const line of [isRunning ? `${when}, so far` : when, ...figures]) {
            const row = document.createElement("div");
            row.textContent = line;
            box.append(row);
          }
          const isRight = left > plot.over.clientWidth / 2;
          box.style.top = "8px";
          box.style.left = isRight ? "" : `${left + 14}px`;
          box.style.right = isRight ? `${plot.over.clientWidth - left + 14}px` : "";
        },
      },
    };
  };

  const looks = {
    main: () => ({ stroke: colour("--color-primary"), width: 1.8, fill: area }),
    refused: () => ({ stroke: colour("--color-warning"), width: 1.4 }),
    bad: () => ({ stroke: colour("--color-error"), width: 1.4 }),
    previous: () => ({ stroke: colour("--x-previous"), width: 1.2, dash: [3, 4] }),
  };
  const OPEN_DASH = [2, 3];
  const series = (figures) =>
    figures.looks.map((look) => ({ ...looks[look](), points: { show: false } }));

  // The last step is still running. It is drawn dotted, at the rate it has had so far: what it
  // counted alone would look like a fall. While that rate says little the line ends before it.
  // Steps of the range before are all over.
  const isOpen = (look) => look !== "previous";
  const closed = (figures) =>
    figures.series.map((values, at) =>
      isOpen(figures.looks[at]) ? [...values.slice(0, -1), null] : values);
  const LEAST_SHARE = 0.1;
  const elapsed = (times) => {
    const [before, last] = times.slice(-2);
    return Math.min(1, Math.max(0, (Date.now() / 1000 - last) / (last - before)));
  };
  const running = (figures) => {
    const open = figures.series.filter((_, at) => isOpen(figures.looks[at]));
    const share = elapsed(figures.times);
    const rate = (value) => (share < LEAST_SHARE || value == null ? null : Math.round(value / share));
    return open.map((values) => values.map((value, at) =>
      at < values.length - 2 ? null : at === values.length - 1 ? rate(value) : value));
  };
  const runningSeries = (figures) =>
    figures.looks.filter(isOpen).map((look) => ({
      ...looks[look](), fill: undefined, dash: OPEN_DASH, points: { show: false },
    }));

  // All that its card leaves it; the stylesheet says the least.
  const room = (holder) => ({ width: holder.clientWidth, height: holder.clientHeight });

  const draw = (holder) => {
    const figures = JSON.parse(document.getElementById(holder.dataset.chart).textContent);
    drawn.get(holder)?.destroy();
    const options = {
      ...room(holder),
      // Room for half of the last label, which stands under the right edge.
      padding: [10, LABEL_HALF, 0, 0],
      legend: { show: false },
      cursor: {
        drag: { x: false, y: false },
        points: { size: 7 },
        y: false,
        move: (plot, left, top) =>
          left < 0 ? [left, top] : [plot.valToPos(plot.data[0][plot.posToIdx(left)], "x"), top],
      },
      scales: { y: { range: (_, __, most) => [0, Math.max(4, most * 1.15)] } },
      series: [{}, ...series(figures), ...runningSeries(figures)],
      axes: [
        axis({ grid: { show: false }, space: 84, size: 26, values: (_, ticks, __, ___, step) =>
          ticks.map((tick) => clock(tick, step)) }),
        axis({ size: 44, space: 42, values: (_, ticks) =>
          ticks.map((tick) => (Number.isInteger(tick) ? tick.toLocaleString() : "")) }),
      ],
      plugins: [tip(figures)],
    };
    holder.setAttribute("aria-hidden", "true");
    drawn.set(holder, new uPlot(options, [figures.times, ...closed(figures), ...running(figures)], holder));
  };

  const drawAll = () => {
    for (const holder of drawn.keys()) if (!holder.isConnected) drawn.delete(holder);
    for (const holder of document.querySelectorAll("[data-chart]")) draw(holder);
  };

  document.addEventListener("xero:theme", drawAll);
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
  new ResizeObserver(() => {
    for (const [holder, plot] of drawn) plot.setSize(room(holder));
  }).observe(document.body);
  drawAll();
})();
