// Making a tree of nodes like another one, touching only what differs, so that focus, selection
// and scrolling stay. Children with `data-key` or an id are known again wherever they move.

const changes = [];

const keyOf = (node) => node.dataset?.key ?? (node.id || undefined);

/** Make a node like another one. */
export function morph(here, there) {
  if (here.isEqualNode(there) || here.dataset?.keep !== undefined) return;
  if (here.nodeName !== there.nodeName || here.nodeType !== Node.ELEMENT_NODE) {
    here.replaceWith(there);
    return;
  }
  for (const { name } of [...here.attributes]) {
    const isTheReaders = name === "open" && here.nodeName === "DETAILS";
    if (!there.hasAttribute(name) && !isTheReaders) here.removeAttribute(name);
  }
  for (const { name, value } of there.attributes) {
    if (here.getAttribute(name) !== value) here.setAttribute(name, value);
  }
  if (here.nodeName !== "INPUT") morphChildren(here, [...there.childNodes]);
}

function morphChildren(here, wanted) {
  const known = new Map();
  for (const child of here.children) {
    if (keyOf(child) !== undefined) known.set(keyOf(child), child);
  }
  let place = here.firstChild;
  for (const child of wanted) {
    const key = keyOf(child);
    const found = key === undefined ? place : known.get(key);
    if (!found || (key === undefined && keyOf(found) !== undefined)) {
      here.insertBefore(child, place);
      continue;
    }
    if (found !== place) here.insertBefore(found, place);
    else place = place.nextSibling;
    known.delete(key);
    if (found.dataset?.status !== child.dataset?.status) note(found, child);
    morph(found, child);
  }
  while (place) {
    const next = place.nextSibling;
    place.remove();
    place = next;
  }
}

/** Remember that a status changes, to say so. */
function note(row, next) {
  changes.push(`${next.dataset.key}: ${next.dataset.status}`);
  row.addEventListener("animationend", () => row.classList.remove("fresh"), { once: true });
  requestAnimationFrame(() => row.classList.add("fresh"));
}

/** Return a sentence about the statuses that changed since the last call, or nothing. */
export function news() {
  const more = changes.length > 3 ? ` and ${changes.length - 3} more` : "";
  return changes.splice(0).slice(0, 3).join(", ") + more;
}
