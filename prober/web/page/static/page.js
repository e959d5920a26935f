// The page, alive: it asks the server for itself again and takes over what changed. Nothing is
// rendered here. A refresh follows a change, at most twice a second, and comes by itself every few
// seconds for what changes quietly; the slower the server answers, the rarer it is asked.

import { morph, news } from "./morph.js";
import { listen } from "./pulse.js";
import { localise, zoneButton } from "./times.js";

const SOONEST = 500; // milliseconds between two refreshes
const QUIETLY = 5000; // milliseconds after which the page is refreshed although nothing was said
const PATIENCE = 10000; // milliseconds that an answer may take
const AGAIN = 2000; // milliseconds after which a server that did not answer is asked again
const SHARE = 4; // for one part of time in which the server works, it rests so many

const $ = (id) => document.getElementById(id);
const root = document.documentElement;
const pulse = document.body.dataset.pulse;

const still = document.querySelector("[data-still]") !== null; // the answer to a form, which cannot be asked for again
let paused = still;
let refusal = null; // the status of the last answer if that was no page, 0 if there was no answer
let lastTook = 0; // milliseconds
let rest = SOONEST;
let timer = 0;
let dueAt = Infinity;
let underway = null;
let isAsked = false; // for a refresh after the one under way
let listening = { isHeard: () => true };

// Taking over

function takeOver(next) {
  localise(next);
  showScripted(next);
  const focused = document.activeElement;
  for (const fresh of root.querySelectorAll(".fresh")) fresh.classList.remove("fresh");
  for (const id of ["main", "nav", "as-of"]) {
    if ($(id) && next.getElementById(id)) morph($(id), next.getElementById(id));
  }
  if (focused !== document.activeElement && focused.isConnected) {
    focused.focus({ preventScroll: true }); // what moves loses it
  }
  const said = news();
  if (said) $("news").textContent = said;
  document.title = next.title;
  const [icon, nextIcon] = [document, next].map((d) => d.querySelector("link[rel=icon]"));
  if (icon.href !== nextIcon.href) icon.href = nextIcon.href;
}

/** Return whether the server has another script by now, which may not understand this page. */
function isOutdated(next) {
  const [mine, theirs] = [document, next].map((d) => d.querySelector("script[src]"));
  return mine.getAttribute("src") !== theirs?.getAttribute("src");
}

// Asking

async function refresh() {
  clearTimeout(timer);
  dueAt = Infinity;
  if (document.hidden) return;
  underway?.abort();
  const mine = (underway = new AbortController());
  const started = performance.now();
  const { status, next } = await ask(mine.signal);
  if (mine !== underway) return;
  underway = null;
  const took = performance.now() - started;
  rest = Math.max(SOONEST, SHARE * Math.min(took, lastTook)); // a single standstill does not count
  lastTook = took;
  const isPage = next?.getElementById("main") && (status === 200 || status === 404);
  refusal = isPage ? null : status;
  if (isPage && isOutdated(next)) return location.reload();
  if (isPage) takeOver(next);
  else rest = SOONEST;
  const isComplete = !document.querySelector("[data-incomplete]");
  if (!paused) refreshIn(isAsked || !isComplete ? 0 : isPage ? QUIETLY : AGAIN);
  isAsked = false;
  showLink();
}

/** Ask for the page again; the status is 0 if there is no answer. */
async function ask(signal) {
  try {
    const patience = AbortSignal.any([signal, AbortSignal.timeout(PATIENCE)]);
    const answer = await fetch(location.href, { signal: patience, headers: { Accept: "text/html" } });
    const text = await answer.text();
    return { status: answer.status, next: new DOMParser().parseFromString(text, "text/html") };
  } catch {
    return { status: 0, next: null };
  }
}

function refreshIn(delay) {
  const at = performance.now() + Math.max(delay, rest);
  if (at >= dueAt || underway) return;
  clearTimeout(timer);
  dueAt = at;
  timer = setTimeout(refresh, at - performance.now());
}

/** Go to another view without leaving the page. */
function show(address, { replace = false } = {}) {
  history[replace ? "replaceState" : "pushState"]({}, "", address);
  refresh();
}

/** Take in that the prober lives, and perhaps that something changed there. */
function heard(isChanged) {
  showLink();
  if (paused || document.hidden) return;
  const isWanted = isChanged || refusal !== null || !listening.isHeard();
  if (isWanted && underway) isAsked = true;
  else if (isWanted) refreshIn(0);
}

// What the reader sees of it

function showLink() {
  const state =
    refusal !== null ? "lost" : paused ? "paused" : listening.isHeard() ? "live" : "polling";
  const words = { lost: "Lost", paused: "Paused", live: "Live", polling: "Polling" };
  root.dataset.link = state;
  if ($("link").textContent !== words[state]) $("link").textContent = words[state];
  $("lost").hidden = state !== "lost";
  const why = refusal ? `The prober answers ${refusal}` : "The prober does not answer";
  const since = $("as-of").querySelector("time")?.textContent;
  const loud = `${why}. What you see is from ${since}.`;
  if (state === "lost" && $("lost").textContent !== loud) $("lost").textContent = loud;
  const title = document.title.replace(/^\(lost\) /, "");
  document.title = state === "lost" ? `(lost) ${title}` : title;
}

/** Show what is of use only with a script. */
function showScripted(page) {
  for (const each of page.querySelectorAll(".scripted")) each.hidden = false;
}

function setUp() {
  showScripted(document);
  $("pause").hidden = $("link").hidden = still;
  $("pause").onclick = () => {
    paused = !paused;
    $("pause").setAttribute("aria-pressed", paused);
    if (paused) clearTimeout(timer);
    dueAt = Infinity;
    showLink();
    if (!paused) refresh();
  };
  $("theme").onclick = () => {
    const isDark = matchMedia("(prefers-color-scheme: dark)").matches;
    const now = root.dataset.theme || (isDark ? "dark" : "light");
    root.dataset.theme = now === "dark" ? "light" : "dark";
    const { pathname } = new URL(document.body.dataset.root, location.href);
    document.cookie = `prober-theme=${root.dataset.theme};path=${pathname};max-age=31536000;samesite=lax`;
  };
  zoneButton($("zone"), refresh);
  if (!$("shortcut")) return;
  $("shortcut").checked = localStorage.getItem("prober-shortcut") !== "off";
  $("shortcut").onchange = () => {
    localStorage.setItem("prober-shortcut", $("shortcut").checked ? "on" : "off");
  };
}

// Links, the search, the keyboard

const hasModifier = (event) => event.ctrlKey || event.metaKey || event.shiftKey || event.altKey;

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[href]");
  if (!link || event.button || hasModifier(event) || link.dataset.load !== undefined) return;
  if (link.origin !== location.origin || link.pathname !== location.pathname || link.hash) return;
  event.preventDefault();
  show(link.href);
  if (link.closest(".pages")) scrollTo(0, 0);
  if ($("q")) $("q").value = new URL(link.href).searchParams.get("q") ?? "";
});

/** Return the address that the search leads to, everything else of the view kept. */
function searched() {
  const address = new URL(location.href);
  address.searchParams.delete("page");
  if ($("q").value.trim()) address.searchParams.set("q", $("q").value);
  else address.searchParams.delete("q");
  return address.href;
}

let typing = 0;
document.addEventListener("input", (event) => {
  if (event.target.id !== "q") return;
  clearTimeout(typing);
  typing = setTimeout(() => show(searched(), { replace: true }), 250);
});

document.addEventListener("change", ({ target }) => {
  const form = target.closest("form[data-filters]");
  if (form) show(filtered(form));
});

/** Return the address that filters lead to. */
function filtered(form) {
  const chosen = [...new FormData(form)].filter(([, value]) => value);
  return new URL(`?${new URLSearchParams(chosen)}`, location.href).href;
}

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.getAttribute("role") === "search") {
    event.preventDefault();
    clearTimeout(typing);
    show(searched());
  } else if (form.dataset.filters !== undefined) {
    event.preventDefault();
    show(filtered(form));
  } else if (form.dataset.probe) {
    event.preventDefault();
    probeNow(form);
  }
});

document.addEventListener("click", async ({ target }) => {
  const button = target.closest("[data-copy]");
  if (!button) return;
  if (navigator.clipboard) await navigator.clipboard.writeText(button.dataset.copy);
  else copySelected(button.previousElementSibling); // over plain HTTP there is no clipboard
  const said = button.textContent;
  button.textContent = "Copied";
  setTimeout(() => (button.textContent = said), 1500);
});

function copySelected(node) {
  getSelection().selectAllChildren(node);
  document.execCommand("copy");
}

async function probeNow(form) {
  const [button, output] = [form.querySelector("button"), form.querySelector("output")];
  if (button.ariaBusy === "true") return;
  button.ariaBusy = "true";
  try {
    const answer = await fetch(form.dataset.probe, { method: "POST" });
    const result = await answer.json();
    output.textContent = result.message ?? `${result.reason.replaceAll("_", " ")}: ${result.detail}`;
  } catch {
    output.textContent = "the prober does not answer";
  }
  button.ariaBusy = "false";
  refresh();
}

document.addEventListener("keydown", (event) => {
  const isTyping = event.target.closest("input, textarea, select");
  if (event.key !== "/" || isTyping || event.ctrlKey || event.metaKey) return; // a / may need Shift
  if ($("q") && $("shortcut")?.checked) {
    event.preventDefault();
    $("q").focus();
    $("q").select();
  }
});

addEventListener("popstate", () => {
  if ($("q")) $("q").value = new URL(location.href).searchParams.get("q") ?? "";
  refresh();
});

document.addEventListener("visibilitychange", () => {
  if (!document.hidden && !paused) refresh();
});

setUp();
localise(document);
if (pulse && !still) listening = listen(pulse, heard);
showLink();
if (!still) refreshIn(document.querySelector("[data-incomplete]") ? SOONEST : QUIETLY);
