// The pulse of the prober: that something changed there, or that it lives. A browser gives a host
// six connections, and each listener takes one: so windows share one, and those that nobody sees
// take none.

const LEASE = 12000; // milliseconds of silence after which nobody is taken to be listening
const RETRY = 2000; // milliseconds

/**
 * Listen to a stream as long as this window is visible; `heard` is called with whether something
 * changed. `isHeard()` of what is returned says whether there was any sign of life lately.
 */
export function listen(address, heard) {
  const me = Math.random();
  const others = new BroadcastChannel(`prober ${new URL(address, location.href).pathname}`);
  let source = null;
  let lastHeard = -Infinity;
  let began = performance.now();

  const isRecent = (at) => performance.now() - at < LEASE;
  const isHeard = () => isRecent(Math.max(lastHeard, began));
  const tell = (kind) => others.postMessage({ kind, from: me });

  function hear(kind) {
    lastHeard = performance.now();
    heard(kind === "changed");
  }

  function lead() {
    source = new EventSource(address);
    for (const kind of ["alive", "changed"]) {
      source.addEventListener(kind, () => {
        tell(kind);
        hear(kind);
      });
    }
    source.onerror = () => {
      lastHeard = began = -Infinity;
      heard(false);
      if (source.readyState === EventSource.CLOSED) source = null; // refused; `tend` tries again
    };
  }

  function stop() {
    source?.close();
    source = null;
  }

  function tend() {
    if (!document.hidden && !source && !isRecent(lastHeard)) lead();
  }

  others.onmessage = ({ data: { kind, from } }) => {
    if (kind === "who") {
      if (source && isRecent(lastHeard)) tell("alive");
    } else if (kind === "left") {
      lastHeard = -Infinity;
      setTimeout(tend, 300 * Math.random());
    } else {
      if (source && from < me) stop(); // two listen, one is enough
      if (!source && !document.hidden) hear(kind);
    }
  };
  function leave() {
    if (source) tell("left");
    stop();
  }
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) leave();
    else begin();
  });
  addEventListener("pagehide", leave);
  function begin() {
    began = performance.now();
    tell("who");
    setTimeout(tend, 100 + 100 * Math.random());
  }
  setInterval(tend, RETRY);
  begin();
  return { isHeard };
}
