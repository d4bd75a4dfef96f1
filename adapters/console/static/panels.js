// The panels: each takes the picture and shows its part; what a key may not do has no button.

import { bar, chip, clock, compact, empty, h, number, rate, show, span, time, until } from "./page.js";
import { drawCurve, drawPace, forgetOthers } from "./charts.js";

const CURVES_MAX = 6; // windows with a chart of their own: the fullest
const FIRST = { campaigns: 8, senders: 12 }; // rows before somebody asks for more: what follows must be seen
const ENDED_BAD = ["failed", "unknown", "expired"];
const QUALITY = { GREEN: "good", YELLOW: "warn", RED: "bad" };
const STATE = { running: "good", completed: "good", paused: "warn", stopped: "bad", cancelled: "bad" };
const place = (id) => document.getElementById(id);

/** What every panel is shown with: the filter's word, what the key may do, and the time there. */
export function showAll(picture, view) {
  const now = Date.parse(picture.at);
  showTotals(picture);
  showPace(picture);
  showWaiting(picture, now);
  showCampaigns(picture, view, now);
  showWindows(picture, view, now);
  showSenders(picture, view, now);
  showErrors(picture);
  place("foot").textContent = `as of ${clock(picture.at)}, window ${span(picture.window_seconds)}`;
}

function showTotals({ totals, workers }) {
  const total = (name, value, more = "", kind = "") =>
    h("dl", { class: `total ${kind}` }, h("dt", {}, name), h("dd", {}, value, more ? h("small", {}, more) : null));
  show(
    place("totals"),
    total("Messages a second", rate(totals.rate), `of ${compact(totals.rate_limit)}`),
    total("Queued", compact(totals.queued)),
    total("Waiting", compact(totals.waiting), "", totals.waiting ? "warn" : ""),
    total("In flight", compact(totals.in_flight)),
    total("In doubt", compact(totals.in_doubt), "", totals.in_doubt ? "bad" : ""),
    total("Errors", compact(totals.errors), "in 10 min", totals.errors ? "warn" : ""),
    total("Workers", number(workers), "", workers ? "" : "bad"),
  );
}

function showPace({ pace }) {
  if (!pace) return;
  const latest = (line) => rate(line[line.length - 1] ?? 0);
  show(
    place("pace-note"),
    h("span", { class: "legend" },
      h("span", {}, h("i", { class: "c-accepted" }), `accepted ${latest(pace.accepted)}`),
      h("span", {}, h("i", { class: "c-bad" }), `other outcomes ${latest(pace.others)}`)),
  );
  drawPace(place("pace"), pace);
}

function showWaiting({ waiting, totals }, now) {
  if (!waiting.length) {
    show(place("waiting"), empty("Nothing waits behind a gate."));
    return;
  }
  show(place("waiting"), h("div", { class: "items" }, waiting.map((row) =>
    h("div", { class: "item", "data-key": row.gate },
      h("div", { class: "head" }, h("h3", {}, row.gate), h("span", { class: "right" }, `${compact(row.jobs)} jobs`)),
      bar([["c-waiting", row.jobs]], totals.waiting, `${row.jobs} of ${totals.waiting} waiting jobs`),
      h("p", { class: "quiet" }, row.meaning, row.until ? ` Next ${until(row.until, now)}.` : ""),
      row.senders.length ? h("p", { class: "quiet" }, row.senders.join(", ")) : null))));
}

function showCampaigns({ campaigns, campaigns_in_all: inAll }, view, now) {
  const shown = campaigns.filter((each) => view.fits(each.id, each.name, each.state, each.portfolio));
  const listed = begin("campaigns", shown, view);
  place("campaigns-note").textContent = counted(listed.length, inAll);
  if (!shown.length) {
    show(place("campaigns"), empty(inAll ? "No campaign fits the filter." : "No campaign yet: penstock campaign create."));
    return;
  }
  show(place("campaigns"), h("div", { class: "items" }, listed.map((each) => campaignItem(each, view, now))), more("campaigns", shown, view));
}

function campaignItem(campaign, view, now) {
  const { counts, enqueued, delivery } = campaign;
  const held = Object.entries(counts.waiting).filter(([, jobs]) => jobs).sort((a, b) => b[1] - a[1]);
  const waiting = held.reduce((sum, [, jobs]) => sum + jobs, 0);
  const bad = ENDED_BAD.reduce((sum, state) => sum + (counts[state] ?? 0), 0);
  const gone = counts.cancelled + counts.suppressed;
  const ended = counts.accepted + bad + gone;
  const parts = [
    ["c-accepted", counts.accepted, "accepted"], ["c-bad", bad, "failed, unknown or expired"], ["c-gone", gone, "cancelled or suppressed"],
    ["c-flight", counts.in_flight, "in flight"], ["c-doubt", counts.in_doubt, "in doubt"], ["c-waiting", waiting, "waiting"], ["c-queued", counts.queued, "queued"],
  ].filter(([, jobs]) => jobs > 0);
  const told = ["delivered", "read", "undelivered", "held"].filter((name) => delivery[name]).map((name) => `${name} ${compact(delivery[name])}`);
  const isDoubtAll = counts.in_doubt > 0 && ended + counts.in_doubt === enqueued;
  const eta = isDoubtAll ? "only doubts are left" : campaign.eta ? `ends ${until(campaign.eta, now)}` : "";
  return h("div", { class: "item", "data-key": campaign.id },
    h("div", { class: "head" },
      h("h3", {}, campaign.name), chip(campaign.state, STATE[campaign.state] ?? ""),
      h("span", { class: "quiet" }, campaign.name === campaign.id ? campaign.portfolio : `${campaign.id} · ${campaign.portfolio}`),
      h("span", { class: "right" }, [`${compact(ended)} of ${compact(enqueued)}`, percent(ended, enqueued), eta].filter(Boolean).join(" · "))),
    bar(parts, enqueued, parts.map(([, jobs, name]) => `${jobs} ${name}`).join(", ")),
    h("div", { class: "below" }, h("div", { class: "legend" },
      parts.map(([kind, jobs, name]) => h("span", {}, h("i", { class: kind }), `${name} ${compact(jobs)}`)),
      held.length ? h("span", {}, `behind ${held.map(([gate, jobs]) => `${gate} ${compact(jobs)}`).join(", ")}`) : null,
      told.length ? h("span", {}, `delivery: ${told.join(", ")}`) : null),
    acts(view, campaignActs(campaign.state), campaign.id, campaign.name)),
    campaign.warnings.map((warning) => h("p", { class: "warning" }, warning)));
}

/** A share that says 100 only of all, and 0 only of nothing. */
function percent(part, whole) {
  const share = whole ? (100 * part) / whole : 0;
  return `${share > 10 && share < 99 ? Math.round(share) : Math.floor(share * 10) / 10} %`;
}

function campaignActs(state) {
  if (state === "draft") return ["campaign-start"];
  if (state === "running" || state === "scheduled") return ["campaign-pause", "campaign-cancel"];
  if (state === "paused" || state === "stopped") return ["campaign-resume", "campaign-cancel"];
  return [];
}

function showWindows({ windows, windows_in_all: inAll }, view, now) {
  const shown = windows.filter((each) => view.fits(each.portfolio, each.sender));
  place("windows-note").textContent = counted(shown.length, inAll);
  if (!shown.length) {
    show(place("windows"), empty(inAll ? "No portfolio fits the filter." : "No portfolio yet: penstock portfolio add."));
    forgetOthers(new Set(["pace"]));
    return;
  }
  const curves = new Map(shown.filter((each) => each.curve).slice(0, CURVES_MAX).map((each) => [named(each), each]));
  show(place("windows"), h("div", { class: "items" }, shown.map((each) => windowItem(each, curves, now))));
  for (const [name, { curve, limit }] of curves) drawCurve(name, place(name), curve, limit);
  forgetOthers(new Set(["pace", ...curves.keys()]));
}

function named(window) {
  return `curve-${window.portfolio}-${window.sender}`;
}

function windowItem(window, curves, now) {
  const isUnlimited = window.limit < 0;
  const limit = isUnlimited ? "unlimited" : compact(window.limit);
  const isFull = !isUnlimited && window.available <= window.kept;
  const kept = window.kept > 0 ? `${compact(window.kept)} kept from marketing` : "";
  const free = window.next_free_at && isFull ? `next place ${until(window.next_free_at, now)}` : "";
  const settled = Math.max(0, window.used - window.reserved);
  return h("div", { class: "item", "data-key": named(window) },
    h("div", { class: "head" },
      h("h3", {}, window.sender ? `${window.portfolio} · ${window.sender}` : window.portfolio),
      window.debt ? chip(`debt ${compact(window.debt)}`, "bad") : isFull ? chip("full", "warn") : null,
      h("span", { class: "right" }, `${compact(window.used)} of ${limit}`)),
    isUnlimited ? null : bar(
      [[isFull ? "c-waiting" : "c-accepted", Math.min(settled, window.limit)], ["c-flight", window.reserved]],
      window.limit, `${window.used} of ${window.limit} places used, ${window.reserved} of them by sends under way`),
    free || kept ? h("p", { class: "quiet" }, [free, kept].filter(Boolean).join(" · ")) : null,
    curves.has(named(window)) ? [
      h("p", { class: "quiet" }, "Free places, if nothing else is sent"),
      h("div", { class: "chart", id: named(window), "data-key": named(window), "data-keep": true })] : null);
}

function showSenders({ senders, senders_in_all: inAll }, view, now) {
  const shown = senders.filter((each) => view.fits(each.id, each.label, each.portfolio, each.status, each.quality, ...Object.keys(each.waiting)));
  const listed = begin("senders", shown, view);
  place("senders-note").textContent = counted(listed.length, inAll);
  if (!shown.length) {
    show(place("senders"), empty(inAll ? "No sender fits the filter." : "No sender yet: penstock sender add."));
    return;
  }
  const columns = [["Sender"], ["Rate"], ["Quality"], ["Status"], ["Queued", "num"], ["Waiting", "num"], ["In flight", "num"], ["In doubt", "num"], ["Oldest", "num"], [""]];
  show(place("senders"), h("table", {},
    h("thead", {}, h("tr", {}, columns.map(([name, kind]) => h("th", { class: kind, scope: "col" }, name)))),
    h("tbody", {}, listed.map((each) => senderRow(each, view, now)))), more("senders", shown, view));
}

function senderRow(sender, view, now) {
  const held = Object.entries(sender.waiting).sort((a, b) => b[1] - a[1]);
  const waiting = held.reduce((sum, [, jobs]) => sum + jobs, 0);
  const cell = (name, kind, ...content) => h("td", { class: kind, "data-name": name }, h("div", {}, ...content));
  const granted = sender.rate_limit < sender.throughput ? h("span", { class: "sub" }, `slowed, granted ${compact(sender.throughput)}`) : null;
  const closed = sender.closed_by.map((each) => h("span", { class: "sub warning" }, `${each.detail}${each.until ? `, ${until(each.until, now)}` : ""}`));
  return h("tr", { "data-key": sender.id },
    cell("Sender", "name", sender.label, h("span", { class: "sub" }, `${sender.display_phone_number} · ${sender.portfolio}`), closed),
    cell("Rate", "rate", `${rate(sender.rate)} of ${compact(sender.rate_limit)}`, granted, bar([["c-accepted", sender.rate]], sender.rate_limit, `${rate(sender.rate)} of ${sender.rate_limit} messages a second`)),
    cell("Quality", "", chip(sender.quality, QUALITY[sender.quality] ?? "")),
    cell("Status", "", chip(sender.is_paused ? "paused" : sender.status, sender.closed_by.some((each) => each.is_whole) ? "bad" : sender.status === "CONNECTED" ? "good" : "")),
    cell("Queued", count(sender.queued), compact(sender.queued)),
    cell("Waiting", count(waiting), compact(waiting), held.length ? h("span", { class: "sub" }, held.map(([gate, jobs]) => (held.length > 1 ? `${gate} ${compact(jobs)}` : gate)).join(", ")) : null),
    cell("In flight", count(sender.in_flight), compact(sender.in_flight)),
    cell("In doubt", count(sender.in_doubt), compact(sender.in_doubt)),
    cell("Oldest", count(sender.oldest_seconds), sender.oldest_seconds ? span(sender.oldest_seconds) : "–"),
    h("td", { class: "acts-cell" }, acts(view, [sender.is_paused || sender.closed_by.some((each) => each.cause !== "quality") ? "sender-resume" : "sender-pause", "sender-refresh"], sender.id, sender.label)));
}

function count(value) {
  return value ? "num" : "num zero";
}

function showErrors({ errors }) {
  if (!errors.length) {
    show(place("errors"), empty("Meta refused nothing."));
    return;
  }
  const most = errors[0].times;
  show(place("errors"), h("div", { class: "items" }, errors.map((row) =>
    h("div", { class: "item", "data-key": row.code },
      h("div", { class: "head" }, h("h3", {}, row.title), h("code", {}, row.code), h("span", { class: "right" }, number(row.times))),
      bar([["c-bad", row.times]], most, `${row.times} times`),
      h("p", { class: "quiet" }, row.senders.join(", "))))));
}

/** Jobs whose outcome nobody knows; `doubts` is null where the server cannot list them. */
export function showDoubts(doubts, picture, view) {
  const inDoubt = picture?.totals.in_doubt ?? 0;
  place("doubts-note").textContent = inDoubt ? `${number(inDoubt)} jobs` : "";
  if (!doubts?.length) {
    show(place("doubts"), empty(inDoubt ? "They wait for their status webhook, or for their policy." : "No send is in doubt."));
    return;
  }
  const now = Date.parse(picture.at);
  show(place("doubts"), h("div", { class: "items listed", tabindex: 0 }, doubts.map((each) =>
    h("div", { class: "item", "data-key": each.id },
      h("div", { class: "head" }, h("code", {}, brief(each.id)), h("span", { class: "right" }, each.decided_at ? `decided ${until(each.decided_at, now)}` : "")),
      h("div", { class: "below" },
        h("p", { class: "quiet" }, [labelOf(picture, each.sender), each.source, each.template].filter(Boolean).join(" · ")),
        acts(view, ["doubt-accepted", "doubt-failed"], each.id, brief(each.id)))))));
}

/** Jobs that failed for good. */
export function showDead(dead, picture, view) {
  place("dead-note").textContent = dead?.length ? `newest ${dead.length}` : "";
  if (!dead?.length) {
    const unasked = dead === undefined ? "One moment." : "This server does not list dead letters.";
    show(place("dead"), empty(dead ? "No dead letters." : unasked));
    return;
  }
  show(place("dead"), h("div", { class: "items listed", tabindex: 0 }, dead.map((each) =>
    h("div", { class: "item", "data-key": each.id },
      h("div", { class: "head" }, h("h3", {}, each.title), each.code ? h("code", {}, String(each.code)) : null, h("span", { class: "right" }, each.at ? time(each.at) : "")),
      h("div", { class: "below" },
        h("p", { class: "quiet" }, `${brief(each.id)} · ${labelOf(picture, each.sender)} · attempt ${each.attempt}`),
        acts(view, each.replayable ? ["dead-replay", "dead-drop"] : ["dead-drop"], each.id, brief(each.id), each.sender))))));
}

function labelOf(picture, id) {
  return picture?.senders.find((each) => each.id === id)?.label ?? id;
}

function brief(id) {
  return id.length > 20 ? `${id.slice(0, 4)}…${id.slice(-10)}` : id; // what differs is at its end
}

function acts(view, names, id, name, of = "") {
  const buttons = names.filter(view.may).map((act) =>
    h("button", { type: "button", class: `small ${view.isHard(act) ? "bad" : ""}`, "data-act": act, "data-id": id, "data-called": name, "data-of": of, "aria-label": `${view.verb(act)} ${name}` }, view.verb(act)));
  return buttons.length ? h("div", { class: "acts" }, buttons) : null;
}

/** The rows of a list that are shown until somebody asks for all of them, or filters. */
function begin(name, rows, view) {
  return view.isWhole(name) ? rows : rows.slice(0, FIRST[name]);
}

function more(name, rows, view) {
  if (rows.length <= FIRST[name]) return null;
  const isWhole = view.isWhole(name);
  const text = isWhole ? `Show the first ${FIRST[name]}` : `Show ${number(rows.length - FIRST[name])} more`;
  return h("button", { type: "button", class: "more", "data-more": name, "aria-expanded": String(isWhole) }, text);
}

function counted(shown, inAll) {
  return shown === inAll ? `${number(inAll)}` : `${number(shown)} of ${number(inAll)}`;
}
