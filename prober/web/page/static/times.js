// Times in the zone of the reader, if wished: the server writes them in UTC. What holds a time says
// when it is (`datetime`, or `data-at` in unix seconds) and, unless it says how long ago that was,
// in which form it is written (`data-form`).

const KEY = "prober-zone";
const FORMS = {
  minute: { hour: "2-digit", minute: "2-digit" },
  clock: { hour: "2-digit", minute: "2-digit", second: "2-digit" },
  day: { month: "short", day: "numeric" },
  date: { dateStyle: "short", timeStyle: "medium" },
};
const locale = { day: "en-GB" };
const formats = new Map();

let isLocal = localStorage.getItem(KEY) === "local";

function write(at, form) {
  if (!formats.has(form)) {
    formats.set(form, new Intl.DateTimeFormat(locale[form] ?? "sv-SE", FORMS[form])); // 2027-01-15
  }
  return formats.get(form).format(at);
}

/** Return what the reader's zone is called, such as CET. */
function zone() {
  const parts = new Intl.DateTimeFormat("en-GB", { timeZoneName: "short" }).formatToParts();
  return parts.find(({ type }) => type === "timeZoneName").value;
}

/** Write all times below a node in the zone that the reader wants. */
export function localise(node) {
  if (!isLocal) return;
  for (const each of node.querySelectorAll("[datetime], [data-at]")) {
    const { at, until, form } = each.dataset;
    const from = at ? new Date(at * 1000) : new Date(each.getAttribute("datetime"));
    if (each.title) each.title = each.title.replace(/\S+ \S+ UTC/, `${write(from, "date")} ${zone()}`);
    if (!form) continue;
    const to = until ? ` – ${write(new Date(until * 1000), form)}` : "";
    const suffix = each.textContent.includes(" UTC") ? ` ${zone()}` : "";
    const rest = each.textContent.split(/ UTC/)[1] ?? "";
    each.textContent = write(from, form) + to + suffix + rest;
  }
  for (const each of node.querySelectorAll("[data-zone]")) each.textContent = zone();
}

/** Let a button choose the zone; `changed` is called when the reader has chosen. */
export function zoneButton(button, changed) {
  const show = () => {
    button.textContent = isLocal ? zone() : "UTC";
    button.setAttribute("aria-pressed", isLocal);
  };
  button.onclick = () => {
    isLocal = !isLocal;
    localStorage.setItem(KEY, isLocal ? "local" : "utc");
    show();
    changed();
  };
  show();
}
