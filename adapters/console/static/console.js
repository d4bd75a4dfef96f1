// The Console: takes a key, listens, and shows every picture that comes.

import { confirmed, isHard, may, verb } from "./actions.js";
import { recolour } from "./charts.js";
import { showAll, showDead, showDoubts } from "./panels.js";
import { call, forgetKey, hasKey, listen, takeKey } from "./wire.js";

const AGAIN_MS = 2000;
const LISTS_EVERY_MS = 5000;
const LISTED_MAX = 20;
const THEME = "penstock-theme";
const NO_KEY = "This key is not known here: it was revoked, or mistyped. penstock key create makes another.";
const PANELS = ["pace", "waiting", "campaigns", "windows", "senders", "errors", "doubts", "dead"];
const place = (id) => document.getElementById(id);

let picture = null;
let you = { name: "", role: "read" };
let word = "";
const lists = { doubts: undefined, dead: undefined }; // not asked for yet; null: this server has no such list
const unlisted = new Set();
const whole = new Set(); // lists that somebody wants to see to their end

// --- Showing -------------------------------------------------------------------------------------

function view() {
  return {
    may: may(you.role),
    verb,
    isHard,
    isWhole: (name) => Boolean(word) || whole.has(name),
    fits: (...texts) => texts.some((text) => text.toLowerCase().includes(word)),
  };
}

function showNow() {
  if (!picture) return;
  place("problem").hidden = !picture.problem;
  place("problem").textContent = picture.problem;
  showAll(picture, view());
  showDoubts(lists.doubts, picture, view());
  showDead(lists.dead, picture, view());
}

function showLive(kind, text) {
  place("live").className = `live ${kind}`;
  place("live-text").textContent = text;
}

function say(text) {
  place("said").textContent = text;
  place("said").classList.add("on");
  setTimeout(() => place("said").classList.remove("on"), 4000);
}

function openDoor(wrong = "") {
  place("door").hidden = false;
  place("panels").hidden = place("leave").hidden = place("filter").hidden = true;
  place("door-wrong").textContent = wrong;
  showLive("", "not connected");
  place("key").focus();
}

// --- Listening -----------------------------------------------------------------------------------

function heard(name, content) {
  if (name === "you") {
    you = content;
    return;
  }
  const isFirst = !picture;
  picture = content;
  place("door").hidden = true;
  place("panels").hidden = place("leave").hidden = place("filter").hidden = false;
  showLive(picture.problem ? "off" : "on", picture.problem ? "old picture" : `live · ${you.name} (${you.role})`);
  showNow();
  if (isFirst) readLists();
}

async function keepListening() {
  while (hasKey()) {
    try {
      await listen(heard);
    } catch (error) {
      if (error.status === 401 || error.status === 403) {
        forgetKey();
        openDoor(error.status === 401 ? NO_KEY : error.message);
        return;
      }
      showLive("off", error.status ? "no answer of the ledger, trying again" : "no connection, trying again");
    }
    await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
  }
}

async function readLists() {
  if (!hasKey() || document.hidden || !picture) return;
  for (const name of Object.keys(lists).filter((each) => !unlisted.has(each))) {
    try {
      lists[name] = (await call("GET", `v1/${name}?limit=${LISTED_MAX}`))[name];
    } catch (error) {
      if (error.status === 404) {
        unlisted.add(name);
        lists[name] = null;
      }
    }
  }
  showNow();
}

// --- Hands ---------------------------------------------------------------------------------------

place("door").addEventListener("submit", (event) => {
  event.preventDefault();
  takeKey(place("key").value);
  place("key").value = "";
  showLive("", "connecting");
  keepListening();
});

place("leave").addEventListener("click", () => {
  forgetKey();
  location.reload();
});

place("filter").addEventListener("input", () => {
  word = place("filter").value.trim().toLowerCase();
  showNow();
});

document.addEventListener("click", (event) => {
  const name = event.target.closest("[data-more]")?.dataset.more;
  if (!name) return;
  if (!whole.delete(name)) whole.add(name);
  showNow();
});

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-act]");
  if (!button) return;
  const done = await confirmed(button);
  if (!done) return;
  say(done);
  await readLists();
});

place("theme").addEventListener("click", turnTheme);
place("help").addEventListener("click", () => place("keys").showModal());

function isDark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

function turnTheme() {
  document.documentElement.dataset.theme = isDark() ? "light" : "dark";
  localStorage.setItem(THEME, document.documentElement.dataset.theme);
  recolour();
  showNow();
}

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  recolour();
  showNow();
});

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  if (event.target.matches("input")) {
    if (event.key === "Escape" && event.target === place("filter")) {
      place("filter").value = "";
      place("filter").dispatchEvent(new Event("input"));
      place("filter").blur();
    }
    return;
  }
  const panel = PANELS[Number(event.key) - 1];
  if (event.key === "/") {
    event.preventDefault();
    place("filter").focus();
  } else if (event.key === "t") turnTheme();
  else if (event.key === "?") place("keys").showModal();
  else if (panel) {
    const title = place(`t-${panel}`);
    title.tabIndex = -1;
    title.scrollIntoView({ block: "start" });
    title.focus({ preventScroll: true });
  }
});

const theme = localStorage.getItem(THEME);
if (theme) document.documentElement.dataset.theme = theme;
setInterval(readLists, LISTS_EVERY_MS);
if (hasKey()) {
  showLive("", "connecting");
  keepListening();
} else {
  openDoor();
}
