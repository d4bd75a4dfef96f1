// The two charts: the pace of the last minutes, and when places of a window fall free.

const charts = new Map(); // by name: its plot and the element it is in
const probe = document.createElement("span");
probe.hidden = true;
document.body.append(probe);

/** A colour of the page as a canvas understands it. */
function ink(name) {
  probe.style.color = `var(--${name})`;
  return getComputedStyle(probe).color;
}

function faint(colour, share) {
  return `color-mix(in srgb, ${colour} ${share}%, transparent)`;
}

/** Draw both lines of the pace into `place`. */
export function drawPace(place, pace) {
  const begin = Date.parse(pace.begin) / 1000;
  const times = pace.accepted.map((_, at) => begin + at * pace.step_seconds);
  draw("pace", place, [times, pace.accepted, pace.others], 210, () => [
    area("accepted", "water", 18),
    area("others", "red", 12),
  ]);
}

/** Draw the places that will be free. */
export function drawCurve(name, place, curve, limit) {
  const begin = Date.parse(curve.begin) / 1000;
  const times = curve.free.map((_, at) => begin + at * curve.step_seconds);
  draw(name, place, [times, curve.free], 104, () => [area("free", "water", 18, true)], [0, limit]);
}

/** Forget the charts whose panels are gone. */
export function forgetOthers(names) {
  for (const [name, { plot }] of charts) {
    if (names.has(name)) continue;
    plot.destroy();
    charts.delete(name);
  }
}

/** Draw everything anew, in the colours of now. */
export function recolour() {
  for (const { plot } of charts.values()) plot.destroy();
  charts.clear();
}

function draw(name, place, content, height, series, range) {
  const known = charts.get(name);
  if (known && known.place === place) {
    known.plot.setData(content);
    return;
  }
  known?.plot.destroy();
  const plot = new uPlot(options(place, height, series(), range), content, place);
  charts.set(name, { plot, place });
  new ResizeObserver(() => {
    if (place.clientWidth) plot.setSize({ width: place.clientWidth, height });
  }).observe(place);
}

function options(place, height, series, range) {
  const axis = { stroke: ink("quiet"), grid: { stroke: ink("line"), width: 1 }, ticks: { show: false }, font: "12px system-ui, sans-serif" };
  return {
    width: place.clientWidth || 300,
    height,
    padding: [8, 32, 0, 0],
    cursor: { y: false, drag: { x: false, y: false }, points: { size: 7 } },
    legend: { show: false },
    scales: { y: { range: (_, __, most) => range ?? [0, Math.max(1, most * 1.15)] } },
    series: [{}, ...series],
    axes: [
      { ...axis, grid: { show: false }, space: 70, size: 26, values: times },
      { ...axis, size: 52, space: 34, values: (_, ticks) => ticks.map((tick) => (tick >= 10000 ? `${tick / 1000}k` : tick.toLocaleString())) },
    ],
  };
}

function times(plot, ticks, _at, _space, step) {
  const asked = { hour: "2-digit", minute: "2-digit", hour12: false };
  if (step < 60) asked.second = "2-digit";
  return ticks.map((tick) => new Date(tick * 1000).toLocaleTimeString([], asked));
}

function area(label, colour, share, isStepped = false) {
  const stroke = ink(colour);
  return {
    label,
    stroke,
    width: 2,
    fill: faint(stroke, share),
    points: { show: false },
    paths: isStepped ? uPlot.paths.stepped({ align: 1 }) : uPlot.paths.linear(),
  };
}
