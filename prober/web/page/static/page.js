// The page, alive: it asks the server for itself again and takes over what changed. Nothing is
// rendered here. A refresh follows a change of status, at most twice a second, and comes by itself
// every few seconds for what changes quietly; the slower the server answers, the rarer it is asked.

const SOONEST = 500; // milliseconds between two refreshes
const QUIETLY = 5000; // milliseconds after which the page is refreshed although nothing was said
const PATIENCE = 10000; // milliseconds that an answer may take
const SHARE = 4; // for one part of time in which the server works, it rests so many
const PARTS = ["glance", "checks", "chips", "vitals", "as-of"];

const $ = (id) => document.getElementById(id);
const root = document.documentElement;
const stream = document.body.dataset.stream;

let paused = false;
let isStreaming = false;
let isLost = false;
let refusal = 0; // the status that the server answers with instead of a page
let rest = SOONEST;
let timer = 0;
let dueAt = Infinity;
let underway = null;
let isAsked = false; // for a refresh after the one under way

// Taking over

/** Make a node like another one, touching only what differs, so that focus and selection stay. */
function morph(here, there) {
  if (here.isEqualNode(there) || here.dataset?.keep !== undefined) return;
  if (here.nodeName !== there.nodeName || here.nodeType !== Node.ELEMENT_NODE) {
    here.replaceWith(there);
    return;
  }
  for (const { name } of [...here.attributes]) {
    if (!there.hasAttribute(name)) here.removeAttribute(name);
  }
  for (const { name, value } of there.attributes) {
    if (here.getAttribute(name) !== value) here.setAttribute(name, value);
  }
  if (here.nodeName === "INPUT") return;
  morphChildren(here, [...there.childNodes]);
}

function morphChildren(here, wanted) {
  const keyed = new Map();
  for (const child of here.children) {
    if (child.dataset.key !== undefined) keyed.set(child.dataset.key, child);
  }
  let place = here.firstChild;
  for (const child of wanted) {
    const key = child.dataset?.key;
    const known = key === undefined ? place : keyed.get(key);
    if (!known || (key === undefined && known.dataset?.key !== undefined)) {
      here.insertBefore(child, place);
      continue;
    }
    if (known !== place) here.insertBefore(known, place);
    else place = place.nextSibling;
    keyed.delete(key);
    if (key !== undefined && known.className !== child.className) note(known, child);
    morph(known, child);
  }
  while (place) {
    const next = place.nextSibling;
    place.remove();
    place = next;
  }
}

let changes = [];

/** Remember that the status of a row changes, to say so. */
function note(row, next) {
  changes.push(`${next.dataset.key}: ${next.className.toUpperCase()}`);
  row.addEventListener("animationend", () => row.classList.remove("fresh"), { once: true });
  requestAnimationFrame(() => row.classList.add("fresh"));
}

function announce() {
  if (!changes.length) return;
  const more = changes.length > 3 ? ` and ${changes.length - 3} more` : "";
  $("news").textContent = changes.slice(0, 3).join(", ") + more;
  changes = [];
}

function takeOver(text) {
  const next = new DOMParser().parseFromString(text, "text/html");
  const focused = document.activeElement;
  for (const fresh of root.querySelectorAll("tr.fresh")) fresh.classList.remove("fresh");
  if ($("checks") && next.getElementById("checks")) {
    for (const id of PARTS) {
      const [here, there] = [$(id), next.getElementById(id)];
      if (here && there) morph(here, there);
    }
  } else {
    morph($("main"), next.getElementById("main"));
    for (const id of ["vitals", "as-of"]) if ($(id)) morph($(id), next.getElementById(id));
  }
  if (focused !== document.activeElement && focused.isConnected) {
    focused.focus({ preventScroll: true }); // a row that moves loses it
  }
  announce();
  document.title = next.title;
  const [icon, nextIcon] = [document, next].map((d) => d.querySelector("link[rel=icon]"));
  if (icon.href !== nextIcon.href) icon.href = nextIcon.href;
  showLink();
}

// Asking

async function refresh() {
  clearTimeout(timer);
  dueAt = Infinity;
  if (document.hidden) return;
  underway?.abort();
  const mine = (underway = new AbortController());
  const started = performance.now();
  const { status, text } = await ask(mine.signal);
  if (mine !== underway) return;
  underway = null;
  rest = Math.max(SOONEST, SHARE * (performance.now() - started));
  if (!paused) refreshIn(isAsked ? 0 : QUIETLY);
  isAsked = false;
  isLost = status !== 200;
  refusal = isLost ? status : 0;
  if (isLost) showLink();
  else takeOver(text);
}

/** Ask for the page again; the status is 0 if there is no answer. */
async function ask(signal) {
  try {
    const patience = AbortSignal.any([signal, AbortSignal.timeout(PATIENCE)]);
    const answer = await fetch(location.href, { signal: patience, headers: { Accept: "text/html" } });
    return { status: answer.status, text: await answer.text() };
  } catch {
    return { status: 0, text: "" };
  }
}

function refreshIn(delay) {
  const at = performance.now() + Math.max(delay, rest);
  if (at >= dueAt || underway) return;
  clearTimeout(timer);
  dueAt = at;
  timer = setTimeout(refresh, at - performance.now());
}

/** Go to another view of the checks without leaving the page. */
function show(address, { replace = false } = {}) {
  history[replace ? "replaceState" : "pushState"]({}, "", address);
  refresh();
}

// The stream

let source = null;
let lastId = "";

function follow() {
  source = new EventSource(lastId ? `${stream}?last_event_id=${lastId}` : stream);
  source.onopen = () => {
    isStreaming = true;
    isLost = false;
    showLink();
    somethingHappened({});
  };
  source.onerror = () => {
    isStreaming = false;
    isLost = true;
    showLink();
    if (!paused) refreshIn(SOONEST);
    if (source.readyState === EventSource.CLOSED) setTimeout(follow, 2000);
  };
  const told = ["transition", "resync", "started", "reload", "reload_rejected"];
  for (const kind of [...told, "overloaded", "overload_over"]) {
    source.addEventListener(kind, somethingHappened);
  }
}

function somethingHappened({ lastEventId }) {
  lastId = lastEventId || lastId;
  if (paused || document.hidden) return;
  if (underway) isAsked = true;
  else refreshIn(0);
}

// What the reader sees of it

function showLink() {
  const lost = isLost || (stream && !isStreaming);
  const state = lost ? "lost" : paused ? "paused" : "live";
  const why = refusal ? `The prober answers ${refusal}` : "Connection lost";
  const words = { lost: `${why}, this is the past`, paused: "Paused", live: "Live" };
  root.dataset.link = state;
  $("link").hidden = false;
  if ($("link").textContent !== words[state]) $("link").textContent = words[state];
  const title = document.title.replace(/^\(lost\) /, "");
  document.title = lost ? `(lost) ${title}` : title;
}

function setUp() {
  for (const id of ["pause", "theme", "shortcut-label"]) {
    if ($(id)) $(id).hidden = false;
  }
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
    document.cookie = `prober-theme=${root.dataset.theme};path=/;max-age=31536000;samesite=lax`;
  };
  $("shortcut").checked = localStorage.getItem("prober-shortcut") !== "off";
  $("shortcut").onchange = () => {
    localStorage.setItem("prober-shortcut", $("shortcut").checked ? "on" : "off");
  };
}

// Links, the search, the keyboard

const hasModifier = (event) => event.ctrlKey || event.metaKey || event.shiftKey || event.altKey;

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[href]");
  if (!link || event.button || hasModifier(event) || !$("checks")) return;
  if (link.origin !== location.origin || link.pathname !== location.pathname || link.hash) return;
  event.preventDefault();
  show(link.href);
  if (link.closest(".pages")) scrollTo(0, 0);
  if (new URL(link.href).searchParams.get("q") === null && $("q")) $("q").value = "";
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

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.getAttribute("role") === "search") {
    event.preventDefault();
    clearTimeout(typing);
    show(searched());
  } else if (form.dataset.probe) {
    event.preventDefault();
    probeNow(form);
  }
});

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
  if ($("q") && $("shortcut").checked) {
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
if (stream) follow();
else showLink();
refreshIn(QUIETLY);
