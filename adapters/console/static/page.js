// The page's own tools: making and renewing elements without losing focus, and words for numbers.

/** Make an element; text becomes text, never markup. */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  for (const child of children.flat()) {
    if (child != null && child !== false) element.append(child);
  }
  return element;
}

/** Give `place` these children; what is there already stays, so focus and scrolling stay too. */
export function show(place, ...children) {
  const held = place.contains(document.activeElement) ? document.activeElement : null;
  morphChildren(place, children.flat().filter((child) => child != null && child !== false));
  if (held && document.activeElement !== held) regain(place, held.dataset);
}

/** Focus the button that was focused before its row went to another place. */
function regain(place, { act, id }) {
  const buttons = act ? [...place.querySelectorAll("[data-act]")] : [];
  const same = buttons.find(({ dataset }) => dataset.act === act && dataset.id === id);
  same?.focus({ preventScroll: true });
}

function morphChildren(place, wanted) {
  wanted.forEach((next, at) => {
    const node = typeof next === "string" ? document.createTextNode(next) : next;
    const known = place.childNodes[at];
    if (!known) place.append(node);
    else if (isSame(known, node)) morph(known, node);
    else known.replaceWith(node);
  });
  while (place.childNodes.length > wanted.length) place.lastChild.remove();
}

function isSame(known, next) {
  return known.nodeName === next.nodeName && known.dataset?.key === next.dataset?.key;
}

function morph(known, next) {
  if (known.nodeType === Node.TEXT_NODE) {
    if (known.data !== next.data) known.data = next.data;
    return;
  }
  if (known.dataset.keep !== undefined) return; // a chart renews itself
  for (const { name } of [...known.attributes]) {
    if (name !== "style" && !next.hasAttribute(name)) known.removeAttribute(name);
  }
  for (const { name, value } of next.attributes) {
    if (name !== "style" && known.getAttribute(name) !== value) known.setAttribute(name, value);
  }
  // Styles are set as properties: the page's policy forbids them as attributes.
  width(known, known.dataset.width);
  morphChildren(known, [...next.childNodes]);
}

function width(element, share) {
  if (share !== undefined) element.style.width = `${share}%`;
}

/** A bar of several parts; each is [its class, its number]. */
export function bar(parts, total, label) {
  const pieces = parts
    .filter(([, number]) => number > 0)
    .map(([kind, number]) => {
      const share = Math.min(100, (100 * number) / Math.max(1, total));
      const piece = h("i", { class: kind, "data-width": share.toFixed(2) });
      width(piece, share.toFixed(2));
      return piece;
    });
  return h("div", { class: "bar", role: "img", "aria-label": label }, pieces);
}

export function chip(text, kind = "") {
  return h("span", { class: `chip ${kind}` }, text);
}

export function empty(text) {
  return h("p", { class: "empty" }, text);
}

const whole = new Intl.NumberFormat("en");
const short = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });

export function number(value) {
  return whole.format(value);
}

export function compact(value) {
  return Math.abs(value) < 100000 ? whole.format(value) : short.format(value);
}

export function rate(value) {
  return value >= 100 || Number.isInteger(value) ? whole.format(Math.round(value)) : value.toFixed(1);
}

/** A span in seconds, in its two largest units at most. */
export function span(seconds) {
  if (seconds < 1) return "under 1 s";
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172800) {
    const minutes = Math.round(seconds / 60);
    return `${Math.floor(minutes / 60)} h${minutes % 60 ? ` ${minutes % 60} min` : ""}`;
  }
  return `${Math.round(seconds / 86400)} days`;
}

/** When something is, seen from `now`. */
export function until(moment, now) {
  const seconds = (Date.parse(moment) - now) / 1000;
  return seconds <= 0 ? "now" : `in ${span(seconds)}`;
}

export function clock(moment) {
  return new Date(moment).toLocaleString([], { dateStyle: "medium", timeStyle: "medium" });
}

/** A moment of today by its time, another day's by its day too. */
export function time(moment) {
  const then = new Date(moment);
  const isToday = then.toDateString() === new Date().toDateString();
  return then.toLocaleString([], isToday ? { timeStyle: "medium" } : { dateStyle: "short", timeStyle: "short" });
}
