/* Draws the report's pictures from the JSON block above. No library, no network.
   Text reaches the page through textContent alone. Story first, helpers below. */
"use strict";

const data = JSON.parse(document.getElementById("data").textContent);
const solved = new Map(data.taxonomies.map((t) => [key(t.budget, t.order), t]));
const chance = new Map(data.random.map((r) => [key(r.budget, r.order), r]));
const state = { budget: 0, order: data.orders.at(-1), metric: "gain", heat: "affinity" };
let tableFollows = true; // until the reader sets a filter of the table's own
let sorting = { key: null, down: false };
const MOST_ROWS = 600;
const pen = document.createElement("canvas").getContext("2d");
const HEAT = {
  affinity: { column: 4, ramp: "strength", words: "exp(−20 P1): lower is better" },
  gain: { column: 5, ramp: "win_rate", words: "gain: higher is better" },
  quality: { column: 6, ramp: "win_rate", words: "quality: higher is better" },
};

startState();
startTheme();
startControls();
startTable();
drawAll();
startScrollHints();
redrawOnResize();
redrawForPrint();

function drawAll() {
  drawControls();
  drawTaxonomy();
  drawCurves();
  drawTargets();
  drawChance();
  drawHeat();
  drawTree();
  showScrollHints();
}

function choose(change) {
  Object.assign(state, change);
  if (tableFollows) followTable();
  drawControls();
  drawTaxonomy();
  drawCurves();
  drawTargets();
  drawChance();
  showScrollHints();
}

/* ---------------------------------------------------------------- state, theme, controls */

function startState() {
  if (!data.start) return;
  state.budget = Math.max(0, data.budgets.indexOf(data.start[0]));
  state.order = data.start[1];
}

function startTheme() {
  const button = element("theme");
  const kept = storedTheme();
  if (kept) document.documentElement.dataset.theme = kept;
  const show = () => button.setAttribute("aria-pressed", String(theme() === "dark"));
  button.addEventListener("click", () => {
    const next = theme() === "dark" ? "light" : "dark";
    document.documentElement.dataset.theme = next;
    storeTheme(next);
    show();
    drawAll();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    show();
    drawAll();
  });
  show();
}

function theme() {
  const chosen = document.documentElement.dataset.theme;
  if (chosen === "dark" || chosen === "light") return chosen;
  return matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
}

/* A page opened from a file may have no storage: the choice then lasts as long as the page. */
function storedTheme() {
  try {
    const kept = localStorage.getItem("taskonomy-theme");
    return kept === "dark" || kept === "light" ? kept : null;
  } catch {
    return null;
  }
}

function storeTheme(name) {
  try {
    localStorage.setItem("taskonomy-theme", name);
  } catch {
    /* kept by the page itself */
  }
}

function startControls() {
  element("budget").addEventListener("input", (event) =>
    choose({ budget: Number(event.target.value) }));
  for (const name of ["order", "chance-order"]) {
    onRadio(name, (value) => choose({ order: value }));
  }
  onRadio("chance-metric", (value) => choose({ metric: value }));
  onRadio("heat", (value) => {
    state.heat = value;
    drawHeat();
  });
}

function onRadio(name, act) {
  for (const input of document.getElementsByName(name)) {
    input.addEventListener("change", () => act(input.value));
  }
}

function drawControls() {
  const slider = element("budget");
  const budget = data.budgets[state.budget];
  slider.value = state.budget;
  slider.disabled = data.budgets.length < 2;
  slider.setAttribute("aria-valuetext", `budget ${plain(budget)}`);
  element("budget-value").textContent = plain(budget);
  for (const name of ["order", "chance-order"]) {
    for (const input of document.getElementsByName(name)) {
      input.checked = input.value === state.order;
    }
  }
  for (const place of document.querySelectorAll("[data-order-text]")) {
    place.textContent = orderPhrase(state.order);
  }
  drawTicks();
}

function drawTicks() {
  const ticks = element("budget-ticks-drawn");
  const count = data.budgets.length;
  const room = Math.max(2, Math.floor(ticks.clientWidth / 30));
  const step = Math.ceil(count / room);
  ticks.replaceChildren();
  data.budgets.forEach((budget, i) => {
    if (i % step) return;
    const tick = html("span", plain(budget));
    tick.style.left = `${count > 1 ? (100 * i) / (count - 1) : 0}%`;
    ticks.append(tick);
  });
}

/* ---------------------------------------------------------------- the taxonomy graph */

function drawTaxonomy() {
  const plot = element("taxonomy-plot");
  const budget = data.budgets[state.budget];
  const taxonomy = solved.get(key(budget, state.order));
  drawSummary(taxonomy, budget);
  if (!taxonomy || !taxonomy.choices.length) {
    plot.replaceChildren();
    return;
  }
  const graph = layOut(taxonomy, plot.clientWidth);
  const root = picture(plot, graph.width, graph.height, describe(taxonomy));
  root.setAttribute("role", "group"); // of parts that the keyboard reaches one by one
  const transfers = graph.targets.map((task) => drawTransfer(root, graph, task));
  const sources = graph.sources.map((task) => drawSource(root, graph, task));
  const targets = graph.targets.map((task) => drawTarget(root, graph, task));
  walkByKeys(root, targets[0], [sources, transfers, targets].flat(), alongTransfers(graph, sources, transfers, targets));
  if (graph.bars) {
    text(root, "gain", graph.gainX, 12, { class: "soft-text" });
    text(root, "quality", graph.qualityX, 12, { class: "soft-text" });
  }
  drawGroupLegend(plot, [...graph.sources, ...graph.targets], graph.colours);
}

/* Where everything of the graph goes: sources left, targets right, both in the tree's order. Names that
   do not fit beside each other, as on a telephone, take a second line. */
function layOut(taxonomy, room) {
  const served = new Map(taxonomy.choices.map((choice) => [choice[0], choice]));
  const sources = data.supervisable.filter((task) => taxonomy.sources.includes(task));
  const targets = data.targets.filter((task) => served.has(task));
  const width = Math.max(room, 280);
  const narrow = width < 560;
  const bars = width >= 900 ? 250 : width >= 640 ? 184 : 0;
  const most = narrow ? (width - 158) / 2 : Math.min(210, width * 0.28);
  const left = widestLine(sources, most);
  const right = widestLine(targets, most);
  const head = bars ? 26 : 8;
  const folds = (tasks, space) => tasks.some((task) => wrapped(title(task), space).length > 1);
  const row = folds(sources, left) || folds(targets, right) ? 32 : 25;
  const tall = row * Math.max(targets.length, sources.length);
  const spread = (tasks) => new Map(tasks.map((task, i) => [task, head + ((i + 0.5) * tall) / tasks.length]));
  const targetX = width - bars - right - 18;
  const colours = palette();
  return {
    served, sources, targets, width, bars, left, right, row, targetX, colours,
    height: head + tall + 8,
    sourceX: left + 16,
    dotX: targetX - (narrow ? 22 : 30),
    gainX: width - bars + 8,
    qualityX: width - bars / 2 + 6,
    sourceY: spread(sources),
    targetY: spread(targets),
    shade: shades(sources, colours),
  };
}

/* The sources of one transfer, joined in a dot where there are several, to their target. */
function drawTransfer(root, graph, task) {
  const { sourceX, sourceY, dotX, targetX, shade } = graph;
  const [, from, own] = graph.served.get(task);
  const y = graph.targetY.get(task);
  const bend = (dotX - sourceX) * 0.5;
  const ends = { "data-target": task, "data-sources": from.join(" ") };
  const kind = `strand fades${own ? " own" : ""}`;
  const group = append(root, "g", { "data-hot": "transfer" });
  const strand = (source) => {
    const start = sourceY.get(source);
    return `M${sourceX + 9},${start} C${sourceX + bend},${start} ${dotX - bend},${y} ${dotX},${y}`;
  };
  const tail = `M${dotX},${y}H${targetX - 8}`;
  append(group, "path", { d: [...from.map(strand), tail].join(""), class: "reach" });
  for (const source of from) {
    append(group, "path", { d: strand(source), class: kind, stroke: shade.get(source), "data-source": source, "data-target": task });
  }
  const joined = from.length === 1 ? shade.get(from[0]) : "var(--soft)";
  append(group, "path", { d: tail, class: kind, stroke: joined, ...ends });
  if (from.length > 1) {
    append(group, "circle", { cx: dotX, cy: y, r: 3.2, fill: "var(--ink)", class: "fades", ...ends });
  }
  const heading = own ? `${title(task)}, its own network` : `${from.map(title).join(" + ")} → ${title(task)}`;
  return follow(root, group, { target: task, sources: from }, [heading, figuresOf(graph, task)]);
}

function drawSource(root, graph, task) {
  const y = graph.sourceY.get(task);
  const group = append(root, "g", { class: "fades", "data-hot": "source", "data-task": task });
  append(group, "rect", { x: 0, y: y - 12, width: graph.sourceX + 12, height: 24, fill: "transparent" });
  foldedLabel(group, task, graph.sourceX - 12, y, graph.left, "end");
  mark(group, task, graph.sourceX, y, graph.colours, 5.5).setAttribute("fill", graph.shade.get(task));
  const uses = graph.targets.filter((target) => graph.served.get(target)[1].includes(task)).length;
  return follow(root, group, { source: task }, [title(task), [["serves", `${uses} of ${graph.targets.length} targets`]]]);
}

function drawTarget(root, graph, task) {
  const { targetX, width, colours } = graph;
  const [, from, own, , gain, quality] = graph.served.get(task);
  const y = graph.targetY.get(task);
  const group = append(root, "g", { class: "fades", "data-hot": "target", "data-task": task });
  append(group, "rect", { x: targetX - 12, y: y - 12, width: width - targetX + 12, height: 24, fill: "transparent" });
  mark(group, task, targetX, y, colours, 5.5);
  foldedLabel(group, task, targetX + 12, y, graph.right, "start");
  if (graph.bars) {
    drawBar(group, graph.gainX, y, graph.bars / 2 - 14, gain, colours);
    drawBar(group, graph.qualityX, y, graph.bars / 2 - 14, quality, colours);
  }
  const served = ["from", own ? "its own network" : from.map(title).join(", ")];
  return follow(root, group, { target: task, sources: from }, [title(task), [served, ...figuresOf(graph, task)]]);
}

function figuresOf(graph, task) {
  const [, , , affinity, gain, quality] = graph.served.get(task);
  return [["affinity", number(affinity, 4)], ["gain", number(gain)], ["quality", number(quality)]];
}

function drawSummary(taxonomy, budget) {
  const summary = element("taxonomy-summary");
  summary.replaceChildren(html("b", `Budget ${plain(budget)}, ${orderPhrase(state.order)}`));
  const say = (words) => summary.append(html("span", words));
  if (!taxonomy) {
    say("not solved");
  } else if (!taxonomy.choices.length) {
    say(taxonomy.reason ? `infeasible: ${taxonomy.reason}` : "infeasible");
  } else {
    say(`${taxonomy.sources.length} supervised`);
    say(`cost ${plain(taxonomy.cost)}`);
    say(`objective ${number(taxonomy.objective, 4)}`);
    say(`mean gain ${number(taxonomy.gain)}`);
    say(`mean quality ${number(taxonomy.quality)}`);
    say(taxonomy.status === "optimal" ? "proven optimal" : "feasible, not proven optimal");
  }
}

function describe(taxonomy) {
  return `Taxonomy of budget ${plain(taxonomy.budget)}, ${orderPhrase(taxonomy.order)}: ` +
    `${taxonomy.sources.map(title).join(", ")} are supervised and serve ${taxonomy.choices.length} targets. ` +
    "The table of choices lists each of them. Arrow keys move from task to task and along the transfers.";
}

function drawBar(group, x, y, width, value, colours) {
  const track = width - 40;
  append(group, "rect", { x, y: y - 4, width: track, height: 8, rx: 1.5, fill: "var(--faint)" });
  if (value !== null) {
    const end = value >= 0.5 ? colours.win_rate.at(-2) : colours.win_rate[1];
    append(group, "rect", { x, y: y - 4, width: Math.max(0, track * value), height: 8, rx: 1.5, fill: end });
  }
  append(group, "path", { d: `M${x + track / 2},${y - 7}v14`, stroke: "var(--ink)", "stroke-width": 1, "stroke-opacity": 0.55 });
  text(group, number(value), x + width, y, { "text-anchor": "end", class: "soft-text" });
}

/* Following a task or a transfer dims every strand and node that has no part in it. By pointer and by
   keyboard alike; what the tip shows is what a screen reader says. */
function follow(root, group, hot, [heading, lines]) {
  const related = (node) => {
    const { source, target, sources, task } = node.dataset;
    if (hot.source !== undefined) {
      if (node.dataset.hot === "source") return Number(task) === hot.source;
      if (node.dataset.hot === "target") return servesTarget(root, hot.source, Number(task));
      return Number(source ?? -1) === hot.source ||
        (sources ?? "").split(" ").map(Number).includes(hot.source);
    }
    if (node.dataset.hot === "source") return hot.sources.includes(Number(task));
    if (node.dataset.hot === "target") return Number(task) === hot.target;
    return Number(target) === hot.target;
  };
  const enter = () => {
    for (const node of root.querySelectorAll(".fades")) {
      node.classList.toggle(node.dataset.hot ? "dim-text" : "dim", !related(node));
    }
  };
  group.addEventListener("pointerenter", enter);
  group.addEventListener("pointerleave", () => followNothing(root));
  group.addEventListener("focus", enter);
  group.addEventListener("blur", () => followNothing(root));
  tipOn(group, heading, lines);
  return group;
}

function followNothing(root) {
  for (const node of root.querySelectorAll(".fades")) node.classList.remove("dim", "dim-text");
}

/* Up and down a column; left and right along a transfer, from its first source through it to its target. */
function alongTransfers(graph, sources, transfers, targets) {
  const from = graph.targets.map((task) => graph.served.get(task)[1]);
  const columns = [sources, transfers, targets];
  return (pressed, part) => {
    const column = columns.findIndex((parts) => parts.includes(part));
    const row = columns[column].indexOf(part);
    const first = { ArrowLeft: graph.sources.indexOf(from[row]?.[0]), ArrowRight: from.findIndex((used) => used.includes(graph.sources[row])) };
    if (pressed === "ArrowLeft") return [undefined, sources[first.ArrowLeft], transfers[row]][column];
    if (pressed === "ArrowRight") return [transfers[first.ArrowRight], targets[row], undefined][column];
    return upAndDown(columns[column])(pressed, part);
  };
}

function servesTarget(root, source, target) {
  return root.querySelector(`[data-source="${source}"][data-target="${target}"]`) !== null;
}

function drawGroupLegend(plot, tasks, colours) {
  const shown = Object.keys(data.groups).filter((group) =>
    tasks.some((task) => data.tasks[task].group === group));
  const width = Math.max(plot.clientWidth, 320);
  let x = 8;
  let y = 14;
  const places = shown.map((group) => {
    const needed = textWidth(data.groups[group].title) + 38;
    if (x > 8 && x + needed > width) [x, y] = [8, y + 20];
    const place = [group, x, y];
    x += needed;
    return place;
  });
  const root = svg("svg", { width, height: y + 10, viewBox: `0 0 ${width} ${y + 10}`, role: "img", "aria-label": "Families of tasks" });
  for (const [group, at, line] of places) {
    shape(root, data.groups[group].mark, at, line, 5, colours.groups[group]);
    text(root, data.groups[group].title, at + 12, line, { class: "soft-text" });
  }
  plot.append(root);
}

/* ---------------------------------------------------------------- gain and quality by budget */

function drawCurves() {
  const plot = element("curves-plot");
  const colours = palette();
  plot.replaceChildren(legend(data.orders.map((order, i) => [colours.orders[i], orderPhrase(order)])));
  const boxes = { gain: html("div"), quality: html("div") };
  plot.append(...Object.values(boxes));
  for (const [metric, box] of Object.entries(boxes)) {
    const lines = data.orders.map((order, i) => ({
      name: orderPhrase(order),
      colour: colours.orders[i],
      points: data.taxonomies
        .filter((t) => t.order === order && t[metric] !== null)
        .map((t) => [t.budget, t[metric]]),
    }));
    lineChart(box, {
      height: 300, title: `Mean ${metric}`, lines, bands: [],
      aria: `Mean ${metric} against supervision budget, one line per order limit.`,
    });
  }
}

function drawChance() {
  const plot = element("chance-plot");
  const colours = palette();
  const rows = data.random.filter((r) => r.order === state.order && r[state.metric]);
  if (!rows.length) {
    plot.replaceChildren(html("p", "No taxonomy of this order limit has this measure."));
    return;
  }
  const band = (low, high, colour, name) => ({
    name, colour, points: rows.map((r) => [r.budget, r[state.metric].quantiles[low], r[state.metric].quantiles[high]]),
  });
  const grey = theme() === "dark" ? ["#2b333f", "#3d4756"] : ["#e4e8ed", "#cbd2da"];
  const name = state.metric === "objective" ? "Objective" : `Mean ${state.metric}`;
  plot.replaceChildren(legend([
    [colours.groups["2d"], "optimal"], [grey[1], "random, middle 50 %"], [grey[0], "random, middle 90 %"],
  ]));
  const box = html("div");
  plot.append(box);
  lineChart(box, {
    height: 340, title: name, rows: rows.map((r) => [r.budget, pValue(r[state.metric].p)]),
    bands: [band(1, 5, grey[0], "random 5–95 %"), band(2, 4, grey[1], "random 25–75 %")],
    lines: [
      { name: "optimal", colour: colours.groups["2d"], points: rows.map((r) => [r.budget, r[state.metric].optimal]) },
      { name: "random median", colour: "var(--soft)", thin: true, points: rows.map((r) => [r.budget, r[state.metric].quantiles[3]]) },
    ],
    aria: `${name} of the optimal taxonomies over that of random ones, ${orderPhrase(state.order)}, by supervision budget.`,
  });
}

/* lines: [x, y] points; bands: [x, low, high]; rows: [x, words], p-values under the axis. */
function lineChart(box, chart) {
  const axes = axesOf(box, chart);
  const root = picture(box, axes.width, chart.height, chart.aria);
  text(root, chart.title, 0, 10, { "font-weight": 600, "font-size": "13px" });
  drawAxes(root, axes, chart);
  for (const band of chart.bands) drawBand(root, axes, band);
  for (const line of chart.lines) drawLine(root, axes, line);
  if (chart.rows) drawPValues(root, axes, chart.rows);
  readOut(root, axes, chart);
}

function axesOf(box, { height, lines, bands, rows }) {
  const width = Math.max(box.clientWidth, 300);
  const frame = { left: 46, right: width - 14, top: 30, bottom: height - (rows ? 66 : 46) };
  const ys = [
    ...lines.flatMap((line) => line.points.map((p) => p[1])),
    ...bands.flatMap((band) => band.points.flatMap((p) => [p[1], p[2]])),
  ];
  const ticks = ys.length ? niceTicks(Math.min(...ys), Math.max(...ys), 5) : [0, 1];
  const budgets = data.budgets;
  return {
    width, frame, ticks,
    x: scale(Math.min(...budgets), Math.max(...budgets), frame.left + 8, frame.right - 8),
    y: scale(ticks[0], ticks.at(-1), frame.bottom, frame.top),
  };
}

function drawAxes(root, { frame, ticks, x, y }, { height }) {
  for (const tick of ticks) {
    append(root, "path", { d: `M${frame.left},${y(tick)}H${frame.right}`, class: "grid" });
    text(root, tickWords(tick, ticks), frame.left - 8, y(tick), { "text-anchor": "end", class: "soft-text" });
  }
  append(root, "path", { d: `M${frame.left},${frame.bottom}H${frame.right}`, class: "axis" });
  for (const budget of spaced(data.budgets, x, 26)) {
    text(root, plain(budget), x(budget), frame.bottom + 14, { "text-anchor": "middle", class: "soft-text" });
  }
  text(root, "supervision budget", (frame.left + frame.right) / 2, height - 9, { "text-anchor": "middle", class: "soft-text" });
  append(root, "path", { d: `M${x(data.budgets[state.budget])},${frame.top}V${frame.bottom}`, class: "now" });
}

function drawBand(root, { x, y }, { colour, points }) {
  const there = points.map(([b, low]) => `${x(b)},${y(low)}`);
  const back = points.map(([b, , high]) => `${x(b)},${y(high)}`).reverse();
  const alone = points.length < 2 ? 8 : 0; // one budget makes a bar, not an area
  append(root, "polygon", { points: [...there, ...back].join(" "), fill: colour, stroke: colour, "stroke-width": alone });
}

function drawLine(root, { x, y }, { colour, points, thin }) {
  append(root, "polyline", {
    points: points.map(([b, v]) => `${x(b)},${y(v)}`).join(" "),
    fill: "none", stroke: colour, "stroke-width": thin ? 1.2 : 2, "stroke-linejoin": "round",
  });
  if (thin) return;
  for (const [b, v] of points) append(root, "circle", { cx: x(b), cy: y(v), r: 2.4, fill: colour });
}

function drawPValues(root, { frame, x }, rows) {
  text(root, "p", 6, frame.bottom + 32, { "font-style": "italic" });
  const shown = new Set(spaced(rows.map((row) => row[0]), x, 38));
  for (const [b, words] of rows) {
    if (shown.has(b)) text(root, words, x(b), frame.bottom + 32, { "text-anchor": "middle", "font-size": "11px" });
  }
}

/* Pointing reads the figures of the nearest budget, a click chooses it. */
function readOut(root, { width, frame, x }, { lines, bands, rows }) {
  const cursor = append(root, "path", { class: "now", visibility: "hidden" });
  const area = append(root, "rect", {
    x: frame.left, y: frame.top, width: frame.right - frame.left, height: frame.bottom - frame.top, fill: "transparent",
  });
  const nearest = (event) => {
    const { left, width: shown } = root.getBoundingClientRect();
    const at = ((event.clientX - left) * width) / shown;
    return data.budgets.reduce((best, b) => (Math.abs(x(b) - at) < Math.abs(x(best) - at) ? b : best));
  };
  area.addEventListener("pointermove", (event) => {
    const budget = nearest(event);
    const at = (points) => points.find((p) => p[0] === budget) ?? [];
    cursor.setAttribute("d", `M${x(budget)},${frame.top}V${frame.bottom}`);
    cursor.setAttribute("visibility", "visible");
    showTip(event, tipLines(`Budget ${plain(budget)}`, [
      ...lines.map((line) => [line.name, number(at(line.points)[1])]),
      ...bands.map((band) => [band.name, at(band.points).slice(1).map((v) => number(v)).join("–") || "–"]),
      ...(rows ? [["p-value", at(rows)[1] ?? "–"]] : []),
    ]));
  });
  area.addEventListener("pointerleave", () => {
    cursor.setAttribute("visibility", "hidden");
    hideTip();
  });
  area.addEventListener("click", (event) => choose({ budget: data.budgets.indexOf(nearest(event)) }));
}

function drawTargets() {
  const plot = element("targets-plot");
  const colours = palette();
  const budgets = data.budgets;
  const width = Math.max(plot.clientWidth, 300);
  const stacked = width < 720;
  const tasks = data.targets;
  const room = widest(tasks, 170) + 24;
  const each = stacked ? width - room : (width - room - 26) / 2;
  const cell = Math.max(6, Math.min(44, Math.floor(each / budgets.length)));
  const row = 20;
  plot.replaceChildren();
  for (const [nth, metric] of ["gain", "quality"].entries()) {
    const labels = stacked || nth === 0 ? room : 0;
    const box = html("div");
    box.style.flex = "none";
    plot.append(box);
    const wide = labels + cell * budgets.length + 4;
    const root = picture(box, wide, 44 + row * tasks.length + 40, `${metric} of each target by budget, ${orderPhrase(state.order)}`);
    text(root, metric === "gain" ? "Gain" : "Quality", labels, 10, { "font-weight": 600, "font-size": "13px" });
    const x = (i) => labels + cell * i;
    for (const i of spaced(budgets.map((_, n) => n), (n) => x(n), 22)) {
      text(root, plain(budgets[i]), x(i) + cell / 2, 32, { "text-anchor": "middle", class: "soft-text", "font-size": "11px" });
    }
    tasks.forEach((task, r) => {
      const top = 42 + row * r;
      if (labels) {
        label(root, task, labels - 20, top + row / 2, room - 24, "end");
        mark(root, task, labels - 9, top + row / 2, colours, 4.5);
      }
      budgets.forEach((budget, i) => {
        const choice = solved.get(key(budget, state.order))?.choices.find((c) => c[0] === task);
        const value = choice ? choice[metric === "gain" ? 4 : 5] : null;
        const box = append(root, "rect", {
          x: x(i), y: top, width: cell - 1, height: row - 1,
          fill: value === null ? "none" : along(colours.win_rate, value),
          stroke: value === null ? "var(--faint)" : "none",
        });
        if (choice?.[2]) {
          append(root, "circle", { cx: x(i) + (cell - 1) / 2, cy: top + (row - 1) / 2, r: 2, fill: inkOn(along(colours.win_rate, value ?? 0.5)), "fill-opacity": 0.75, "pointer-events": "none" });
        } else if (value !== null && cell >= 27) {
          text(root, short(value), x(i) + (cell - 1) / 2, top + row / 2, { "text-anchor": "middle", style: `fill:${inkOn(along(colours.win_rate, value))};font-size:10px;pointer-events:none` });
        }
        tipOn(box, `${title(task)}, budget ${plain(budget)}`, [
          [metric, number(value)],
          ["from", !choice ? "–" : choice[2] ? "its own network" : choice[1].map(title).join(", ")],
        ]);
        box.addEventListener("click", () => choose({ budget: i }));
      });
    });
    if (labels) drawRampLegend(root, labels, 54 + row * tasks.length, colours.win_rate, Math.min(180, wide - labels - 4));
    if (labels) text(root, "win rate", labels - 12, 59 + row * tasks.length, { "text-anchor": "end", class: "soft-text" });
    append(root, "rect", { x: x(state.budget) - 1, y: 41, width: cell + 1, height: row * tasks.length + 1, class: "outlined" });
  }
}

/* ---------------------------------------------------------------- first-order heat map, tree */

function drawHeat() {
  const plot = element("heat-plot");
  if (!plot) return;
  for (const words of document.querySelectorAll("[data-heat-text]")) {
    words.hidden = words.dataset.heatText !== state.heat;
  }
  const colours = palette();
  const { column, ramp, words } = HEAT[state.heat];
  const { heatSources: sources, heatTargets: targets } = data;
  const cells = new Map(data.heat.map((c) => [key(c[0], c[1]), c]));
  const room = widest(targets, 190) + 26;
  const slant = (task) => Math.min(textWidth(title(task)), 180);
  const head = Math.max(...sources.map(slant)) * 0.77 + 26;
  const width = Math.max(plot.clientWidth, 320);
  const overhang = Math.max(0, ...sources.map((task, i) =>
    slant(task) * 0.65 + 12 - Math.min(42, (width - room) / sources.length) * 0.9 * (sources.length - i - 0.5)));
  const cell = Math.max(15, Math.min(42, (width - room - overhang) / sources.length));
  const row = Math.max(16, Math.min(25, cell * 0.78));
  const wide = Math.max(room + cell * sources.length + overhang, room + 200);
  const beside = room + 200 + textWidth(words) < width; // else the words go under the ramp, and may start left of it
  const height = head + row * targets.length + (beside ? 46 : 64);
  const root = picture(plot, wide, height, `First-order ${state.heat}, ${targets.length} targets by ${sources.length} sources. Arrow keys move from cell to cell.`);
  root.setAttribute("tabindex", "0");
  sources.forEach((task, i) => {
    const x = room + cell * (i + 0.5);
    mark(root, task, x, head - 10, colours, 4.5);
    const name = text(root, clipped(title(task), 180), 0, 0, { "data-column": task });
    name.setAttribute("transform", `translate(${x + 1},${head - 19}) rotate(-50)`);
  });
  targets.forEach((task, i) => {
    const y = head + row * (i + 0.5);
    label(root, task, room - 20, y, room - 26, "end").setAttribute("data-row", task);
    mark(root, task, room - 9, y, colours, 4.5);
  });
  const digits = cell >= 26;
  targets.forEach((target, r) => sources.forEach((source, s) => {
    const value = cells.get(key(target, source))?.[column] ?? null;
    const x = room + cell * s;
    const y = head + row * r;
    const fill = value === null ? null : along(colours[ramp], value);
    if (value === null) {
      append(root, "path", { d: `M${x + cell / 2 - 3},${y + row / 2 + 3}l6,-6`, stroke: "var(--rule)", "stroke-width": 1.4 });
      return;
    }
    append(root, "rect", { x: x + 0.5, y: y + 0.5, width: cell - 1, height: row - 1, fill });
    if (digits) {
      text(root, short(value), x + cell / 2, y + row / 2 + 0.5, { "text-anchor": "middle", style: `fill:${inkOn(fill)};font-size:${cell > 33 ? 10.5 : 9.5}px` });
    }
  }));
  const outline = append(root, "rect", { class: "outlined", visibility: "hidden", width: cell, height: row });
  const under = head + row * targets.length + 20;
  drawRampLegend(root, room, under, colours[ramp], 180);
  if (beside) text(root, words, room + 194, under + 5, { class: "soft-text" });
  else text(root, words, 8, under + 36, { class: "soft-text" });
  heatPointer(root, outline, { room, head, cell, row, cells });
}

function heatPointer(root, outline, { room, head, cell, row, cells }) {
  const { heatSources: sources, heatTargets: targets } = data;
  let [r, s] = [0, 0];
  const show = (event, spoken = false) => {
    const [target, source] = [targets[r], sources[s]];
    const found = cells.get(key(target, source));
    outline.setAttribute("x", room + cell * s);
    outline.setAttribute("y", head + row * r);
    outline.setAttribute("visibility", "visible");
    for (const words of root.querySelectorAll("[data-row], [data-column]")) {
      const lit = Number(words.dataset.row ?? -1) === target && "row" in words.dataset ||
        Number(words.dataset.column ?? -1) === source && "column" in words.dataset;
      words.setAttribute("font-weight", lit ? 700 : 400);
    }
    const lines = found
      ? [["affinity", number(found[2], 4)], ["share P1", number(found[3], 4)], ["exp(−20 P1)", number(found[4])], ["gain", number(found[5])], ["quality", number(found[6])]]
      : [["not measured", ""]];
    const heading = `${title(source)} → ${title(target)}`;
    showTip(event, tipLines(heading, lines));
    if (spoken) element("spoken").textContent = [heading, ...lines.map((line) => line.join(" "))].join("; ");
  };
  const hide = () => {
    outline.setAttribute("visibility", "hidden");
    for (const words of root.querySelectorAll("[data-row], [data-column]")) words.removeAttribute("font-weight");
    hideTip();
  };
  root.addEventListener("pointermove", (event) => {
    const box = root.getBoundingClientRect();
    const zoom = root.viewBox.baseVal.width / box.width;
    const at = [Math.floor(((event.clientX - box.left) * zoom - room) / cell), Math.floor(((event.clientY - box.top) * zoom - head) / row)];
    if (at[0] < 0 || at[0] >= sources.length || at[1] < 0 || at[1] >= targets.length) return hide();
    [s, r] = at;
    show(event);
  });
  root.addEventListener("pointerleave", hide);
  root.addEventListener("blur", hide);
  root.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
    if (event.key === "Escape") hide();
    if (!step) return;
    event.preventDefault();
    r = Math.min(targets.length - 1, Math.max(0, r + step[0]));
    s = Math.min(sources.length - 1, Math.max(0, s + step[1]));
    const box = root.getBoundingClientRect();
    const zoom = box.width / root.viewBox.baseVal.width;
    show({ clientX: box.left + (room + cell * (s + 1)) * zoom, clientY: box.top + (head + row * (r + 1)) * zoom }, true);
  });
}

function drawRampLegend(root, x, y, ramp, wide) {
  const steps = 48;
  for (let i = 0; i < steps; i += 1) {
    append(root, "rect", { x: x + (wide * i) / steps, y, width: wide / steps + 0.6, height: 9, fill: along(ramp, i / (steps - 1)) });
  }
  append(root, "rect", { x, y, width: wide, height: 9, fill: "none", class: "axis" });
  for (const [at, tick] of [[0, "0"], [0.5, "0.5"], [1, "1"]]) {
    text(root, tick, x + wide * at, y + 19, { "text-anchor": at === 0 ? "start" : at === 1 ? "end" : "middle", class: "soft-text", "font-size": "11px" });
  }
}

function drawTree() {
  const plot = element("tree-plot");
  if (!plot) return;
  const colours = palette();
  const { tasks, merges, leaves } = data.tree;
  const row = 22;
  const room = widest(tasks, 190) + 26;
  const width = Math.max(Math.min(plot.clientWidth, 980), 320);
  const height = row * leaves.length + 40;
  const top = merges.length ? merges.at(-1)[2] : 1;
  const x = scale(0, top || 1, width - room - 8, 12);
  const seat = new Map(leaves.map((task, i) => [task, row * (i + 0.5)]));
  const nodes = tasks.map((task) => ({ y: seat.get(task), height: 0, below: [task] }));
  const joints = [];
  const root = picture(plot, width, height, `Similarity tree of ${tasks.length} tasks: ${leaves.map(title).join(", ")}.`);
  const ticks = niceTicks(0, top || 1, 5).filter((t) => t <= top);
  for (const tick of ticks) {
    append(root, "path", { d: `M${x(tick)},4V${height - 32}`, class: "grid" });
    text(root, tickWords(tick, ticks), x(tick), height - 22, { "text-anchor": "middle", class: "soft-text", "font-size": "11px" });
  }
  text(root, "Ward distance", (x(0) + x(top || 1)) / 2, height - 7, { "text-anchor": "middle", class: "soft-text" });
  for (const [left, right, at] of merges) {
    const [a, b] = [nodes[left], nodes[right]];
    const below = [...a.below, ...b.below];
    const groups = new Set(below.map((task) => data.tasks[task].group));
    const path = append(root, "path", {
      d: `M${x(a.height)},${a.y}H${x(at)}V${b.y}H${x(b.height)}`,
      fill: "none", "stroke-width": 1.8, "stroke-linejoin": "round",
      stroke: groups.size === 1 ? groupColour(below[0], colours) : "var(--soft)",
    });
    const reach = append(root, "path", { d: path.getAttribute("d"), class: "reach" });
    tipOn(reach, `Joined at ${number(at)}`, [[below.map(title).join(", "), ""]]);
    nodes.push({ y: (a.y + b.y) / 2, height: at, below });
    joints.push([(a.y + b.y) / 2, reach]);
  }
  if (joints.length) {
    root.setAttribute("role", "group");
    const fromTop = joints.sort((a, b) => a[0] - b[0]).map(([, joint]) => joint);
    walkByKeys(root, fromTop[0], fromTop, upAndDown(fromTop));
  }
  for (const task of leaves) {
    mark(root, task, width - room + 2, seat.get(task), colours, 5);
    label(root, task, width - room + 14, seat.get(task), room - 16, "start");
  }
  drawGroupLegend(plot, tasks, colours);
}

/* ---------------------------------------------------------------- table of choices */

function startTable() {
  const form = element("choice-filters");
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", (event) => {
    if (event.target.id !== "filter-task") tableFollows = false;
    drawTable();
  });
  for (const head of document.querySelectorAll("#choice-table th")) {
    head.addEventListener("click", () => {
      const name = head.dataset.key;
      sorting = { key: name, down: sorting.key === name && !sorting.down };
      drawTable();
    });
  }
  followTable();
}

function followTable() {
  element("filter-budget").value = String(state.budget);
  element("filter-order").value = state.order;
  drawTable();
}

function drawTable() {
  const budget = element("filter-budget").value;
  const order = element("filter-order").value;
  const words = element("filter-task").value.trim().toLowerCase();
  const rows = [];
  for (const taxonomy of data.taxonomies) {
    if (budget !== "" && taxonomy.budget !== data.budgets[Number(budget)]) continue;
    if (order !== "" && taxonomy.order !== order) continue;
    for (const [target, from, own, affinity, gain, quality] of taxonomy.choices) {
      const sources = own ? "own network" : from.map(title).join(", ");
      if (words && !`${title(target)} ${sources}`.toLowerCase().includes(words)) continue;
      rows.push({ budget: taxonomy.budget, order: taxonomy.order, target, sources, used: from.length, affinity, gain, quality });
    }
  }
  element("choice-table").classList.toggle("of-one", budget !== "" && order !== "");
  sortRows(rows);
  const body = document.querySelector("#choice-table tbody");
  body.replaceChildren(...rows.slice(0, MOST_ROWS).map(tableRow));
  const more = rows.length > MOST_ROWS ? `, the first ${MOST_ROWS} shown: narrow the filters to see others` : "";
  element("choice-count").textContent = `${rows.length} ${rows.length === 1 ? "choice" : "choices"}${more}`;
  for (const head of document.querySelectorAll("#choice-table th")) {
    const here = head.dataset.key === sorting.key;
    head.setAttribute("aria-sort", here ? (sorting.down ? "descending" : "ascending") : "none");
  }
}

function sortRows(rows) {
  if (!sorting.key) return;
  const value = (row) => {
    if (sorting.key === "target") return title(row.target);
    if (sorting.key === "order") return data.orders.indexOf(row.order);
    return row[sorting.key];
  };
  rows.sort((a, b) => {
    const [x, y] = [value(a), value(b)];
    if (x === null || y === null) return (x === null) - (y === null); // unmeasured last, both ways
    const by = typeof x === "string" ? x.localeCompare(y) : x - y;
    return sorting.down ? -by : by;
  });
}

function tableRow(row) {
  const line = html("tr");
  const cell = (name, words) => {
    const made = html("td", words);
    made.dataset.key = name;
    line.append(made);
  };
  cell("budget", plain(row.budget));
  cell("order", orderPhrase(row.order));
  cell("target", title(row.target));
  cell("sources", row.sources);
  cell("used", String(row.used));
  cell("affinity", number(row.affinity, 4));
  cell("gain", number(row.gain));
  cell("quality", number(row.quality));
  return line;
}

/* ---------------------------------------------------------------- drawing helpers */

function element(id) {
  return document.getElementById(id);
}

function key(a, b) {
  return `${a}|${b}`;
}

function html(tag, words) {
  const made = document.createElement(tag);
  if (words !== undefined) made.textContent = words;
  return made;
}

function svg(tag, attributes = {}) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

function append(parent, tag, attributes) {
  const made = svg(tag, attributes);
  parent.append(made);
  return made;
}

function picture(box, width, height, aria) {
  const root = svg("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": aria });
  if (width > box.clientWidth + 1) root.style.maxWidth = "none"; // scrolls rather than shrinks
  box.replaceChildren(root);
  return root;
}

function text(parent, words, x, y, attributes = {}) {
  const made = append(parent, "text", { x, y, dy: "0.35em", ...attributes });
  if (attributes["font-size"]) made.style.fontSize = attributes["font-size"];
  made.textContent = words;
  return made;
}

function label(parent, task, x, y, room, anchor) {
  return text(parent, clipped(title(task), room), x, y, { "text-anchor": anchor });
}

/* A name that may take a second line. */
function foldedLabel(parent, task, x, y, room, anchor) {
  const lines = wrapped(title(task), room);
  const made = text(parent, "", x, y, { "text-anchor": anchor });
  if (lines.length === 1) {
    made.textContent = lines[0];
    return;
  }
  made.removeAttribute("dy");
  for (const [i, words] of lines.entries()) append(made, "tspan", { x, y: y + (i ? 11 : -3) }).textContent = words;
}

function mark(parent, task, x, y, colours, size) {
  const { group } = data.tasks[task];
  return shape(parent, data.groups[group].mark, x, y, size, colours.groups[group]);
}

function shape(parent, kind, x, y, r, fill) {
  if (kind === "circle") return append(parent, "circle", { cx: x, cy: y, r, fill });
  const paths = {
    square: `M${x - r},${y - r}h${2 * r}v${2 * r}h${-2 * r}z`,
    triangle: `M${x},${y - r * 1.15}L${x + r * 1.1},${y + r * 0.85}H${x - r * 1.1}z`,
    diamond: `M${x},${y - r * 1.3}L${x + r * 1.3},${y}L${x},${y + r * 1.3}L${x - r * 1.3},${y}z`,
    cross: `M${x - r / 3},${y - r}h${(2 * r) / 3}v${(2 * r) / 3}h${(2 * r) / 3}v${(2 * r) / 3}h${(-2 * r) / 3}v${(2 * r) / 3}h${(-2 * r) / 3}v${(-2 * r) / 3}h${(-2 * r) / 3}v${(-2 * r) / 3}h${(2 * r) / 3}z`,
  };
  return append(parent, "path", { d: paths[kind], fill });
}

function legend(entries) {
  const box = html("div");
  box.className = "legend";
  for (const [colour, words] of entries) {
    const entry = html("span");
    const swatch = html("i");
    swatch.style.background = colour;
    entry.append(swatch, words);
    box.append(entry);
  }
  return box;
}

function palette() {
  return data.colours[theme()];
}

function groupColour(task, colours) {
  return colours.groups[data.tasks[task].group];
}

function title(task) {
  return data.tasks[task].title;
}

function textWidth(words) {
  pen.font = `12px ${getComputedStyle(document.body).fontFamily}`;
  return pen.measureText(words).width;
}

function widest(tasks, most) {
  return Math.min(most, Math.max(20, ...tasks.map((task) => textWidth(title(task)))));
}

/* The longest line that the names need when they may take two. */
function widestLine(tasks, most) {
  const lines = tasks.flatMap((task) => wrapped(title(task), most));
  return Math.max(20, ...lines.map(textWidth));
}

/* One line if it fits, else two, broken at a space; what is too long even so is clipped. */
function wrapped(words, room) {
  const parts = words.split(" ");
  if (parts.length === 1 || textWidth(words) <= room + 1) return [clipped(words, room)];
  let end = parts.length - 1;
  while (end > 1 && textWidth(parts.slice(0, end).join(" ")) > room) end -= 1;
  return [parts.slice(0, end), parts.slice(end)].map((line) => clipped(line.join(" "), room));
}

function clipped(words, room) {
  if (textWidth(words) <= room + 1) return words;
  let end = words.length;
  while (end > 1 && textWidth(`${words.slice(0, end)}…`) > room) end -= 1;
  return `${words.slice(0, end).trimEnd()}…`;
}

function scale(low, high, from, to) {
  return (value) => (high === low ? (from + to) / 2 : from + ((value - low) * (to - from)) / (high - low));
}

function niceTicks(low, high, count) {
  if (low === high) return [low];
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((m) => m * power).find((s) => s >= rough);
  const first = Math.floor(low / step + 1e-9);
  const last = Math.ceil(high / step - 1e-9);
  return Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(10)));
}

function tickWords(tick, ticks) {
  const digits = Math.max(...ticks.map((t) => (String(t).split(".")[1] ?? "").length));
  return tick.toFixed(digits);
}

/* Those of some places that stand at least so many pixels from the one before. */
function spaced(values, x, room) {
  const kept = [];
  for (const value of values) {
    if (!kept.length || x(value) - x(kept.at(-1)) >= room) kept.push(value);
  }
  return kept;
}

function along(ramp, place) {
  const at = Math.min(Math.max(place, 0), 1) * (ramp.length - 1);
  const low = Math.min(Math.floor(at), ramp.length - 2);
  const [a, b] = [channels(ramp[low]), channels(ramp[low + 1])];
  return `#${a.map((c, i) => Math.round(c + (b[i] - c) * (at - low)).toString(16).padStart(2, "0")).join("")}`;
}

function channels(colour) {
  return [1, 3, 5].map((i) => parseInt(colour.slice(i, i + 2), 16));
}

function inkOn(colour) {
  const [r, g, b] = channels(colour).map((c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.179 ? "#000000" : "#ffffff";
}

function number(value, digits = 3) {
  return value === null || value === undefined ? "–" : value.toFixed(digits);
}

function short(value) {
  const words = number(value);
  return words.startsWith("0") ? words.slice(1) : "1";
}

function pValue(value) {
  return String(Number(value.toPrecision(2)));
}

function plain(value) {
  return String(Number(Number(value).toPrecision(6)));
}

function orderPhrase(order) {
  if (order === "all") return "all orders";
  return order === "1" ? "order 1" : `order ≤ ${order}`;
}

/* A task's own shade of its family's colour, so that two sources of a family can be told apart. */
function shades(tasks, colours) {
  const shade = new Map();
  const poles = theme() === "dark" ? [["#ffffff", 0.45], ["#12161c", 0.35]] : [["#000000", 0.5], ["#ffffff", 0.3]];
  for (const group of Object.keys(data.groups)) {
    const members = tasks.filter((task) => data.tasks[task].group === group);
    members.forEach((task, i) => {
      const place = members.length === 1 ? 0 : (2 * i) / (members.length - 1) - 1;
      const [pole, reach] = poles[place < 0 ? 0 : 1];
      shade.set(task, along([colours.groups[group], pole], Math.abs(place) * reach));
    });
  }
  return shade;
}

/* ---------------------------------------------------------------- keyboard */

/* One part of a picture takes the Tab key, the arrow keys move on: next(key, part) says where to. */
function walkByKeys(root, start, parts, next) {
  let at = start;
  for (const part of parts) {
    part.setAttribute("tabindex", part === start ? "0" : "-1");
    part.addEventListener("focus", () => {
      at.setAttribute("tabindex", "-1");
      at = part;
      at.setAttribute("tabindex", "0");
    });
  }
  root.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      followNothing(root);
      hideTip();
    }
    if (!["ArrowUp", "ArrowDown", "ArrowLeft", "ArrowRight", "Home", "End"].includes(event.key)) return;
    event.preventDefault();
    next(event.key, at)?.focus();
  });
}

function upAndDown(column) {
  return (pressed, part) => {
    const row = column.indexOf(part);
    return { ArrowUp: column[row - 1], ArrowDown: column[row + 1], Home: column[0], End: column.at(-1) }[pressed];
  };
}

/* ---------------------------------------------------------------- tooltip, resizing, print */

function tipLines(heading, lines) {
  const box = document.createDocumentFragment();
  box.append(html("b", heading));
  for (const [name, value] of lines) {
    const line = html("div");
    line.append(html("span", name));
    if (value !== "") line.append(html("span", value));
    box.append(line);
  }
  return box;
}

/* What a part of a picture has to say, to whoever points at it or comes to it by keyboard. */
function tipOn(node, heading, lines) {
  node.setAttribute("role", "img");
  node.setAttribute("aria-label", [heading, ...lines.map((line) => line.filter(Boolean).join(" "))].join("; "));
  const say = () => tipLines(heading, lines);
  node.addEventListener("pointerenter", (event) => showTip(event, say()));
  node.addEventListener("pointermove", (event) => moveTip(event));
  node.addEventListener("pointerleave", hideTip);
  node.addEventListener("focus", () => {
    const box = node.getBoundingClientRect();
    showTip({ clientX: box.left + Math.min(box.width / 2, 120), clientY: box.bottom }, say());
  });
  node.addEventListener("blur", hideTip);
}

function showTip(event, content) {
  const tip = element("tip");
  tip.replaceChildren(content);
  tip.hidden = false;
  moveTip(event);
}

function moveTip(event) {
  const tip = element("tip");
  const { width, height } = tip.getBoundingClientRect();
  const left = event.clientX + 16 + width > innerWidth ? event.clientX - width - 12 : event.clientX + 16;
  const top = event.clientY + 14 + height > innerHeight ? event.clientY - height - 12 : event.clientY + 14;
  tip.style.left = `${Math.max(4, left)}px`;
  tip.style.top = `${Math.max(4, top)}px`;
}

function hideTip() {
  element("tip").hidden = true;
}

/* What is wider than the page scrolls sideways: its edge fades on the side where more is, a line above
   says so, and the keyboard can get there. */
function startScrollHints() {
  for (const box of document.querySelectorAll(".scroll, .plot")) {
    const hint = html("p", "Scroll sideways to see all of it");
    hint.className = "scroll-hint";
    hint.hidden = true;
    box.before(hint);
    box.addEventListener("scroll", () => showScrollHint(box), { passive: true });
    new ResizeObserver(() => showScrollHint(box)).observe(box);
  }
  showScrollHints();
}

function showScrollHints() {
  for (const box of document.querySelectorAll(".scroll, .plot")) showScrollHint(box);
}

function showScrollHint(box) {
  const more = box.scrollWidth - box.clientWidth;
  const hint = box.previousElementSibling;
  const scrolls = more > 2;
  if (hint?.className === "scroll-hint") hint.hidden = !scrolls;
  box.classList.toggle("more-left", scrolls && box.scrollLeft > 2);
  box.classList.toggle("more-right", scrolls && box.scrollLeft < more - 2);
  if (!scrolls) {
    for (const name of ["tabindex", "role", "aria-label"]) box.removeAttribute(name);
    return;
  }
  box.tabIndex = 0;
  box.setAttribute("role", "region");
  box.setAttribute("aria-label", `${box.closest("section").querySelector("h2").textContent}, scrolls sideways`);
}

function redrawOnResize() {
  let drawn = element("main").clientWidth;
  new ResizeObserver(() => {
    if (element("main").clientWidth === drawn) return;
    drawn = element("main").clientWidth;
    requestAnimationFrame(drawAll);
  }).observe(element("main"));
}

/* Paper is white: print in the light theme, then return to the reader's. */
function redrawForPrint() {
  let before;
  addEventListener("beforeprint", () => {
    before = document.documentElement.dataset.theme;
    document.documentElement.dataset.theme = "light";
    drawAll();
  });
  addEventListener("afterprint", () => {
    if (before) document.documentElement.dataset.theme = before;
    else delete document.documentElement.dataset.theme;
    drawAll();
  });
}
