// The chip "3 changes": a page that has data-changes="address" is told of what changes after it was made, and offers
// to be loaded again. The address is one of server-sent events; each event that is not a comment counts.

export function watchForChanges() {
  const place = document.querySelector("[data-changes]");
  if (place === null || place.dataset.changes === "") return;
  const chip = document.createElement("button");
  chip.type = "button";
  chip.className = "live";
  chip.hidden = true;
  chip.setAttribute("aria-live", "polite");
  chip.addEventListener("click", () => location.reload());
  document.body.append(chip);
  const seen = new Set();
  const count = (event) => {
    seen.add(event.lastEventId);
    chip.textContent = seen.size === 1 ? "1 change" : `${seen.size} changes`;
    chip.title = "Show them";
    chip.hidden = false;
  };
  listenWhileVisible(place.dataset.changes, ["added", "updated", "removed"], count);
}

// A browser has six connections to a server at most, and an open stream takes one: those of tabs that nobody looks at
// are closed. Begun again, a stream tells once more what was told; who listens knows events by their ids.
export function listenWhileVisible(address, kinds, hear, says = () => {}) {
  let source = null;
  const open = () => {
    source = new EventSource(address);
    for (const kind of kinds) source.addEventListener(kind, hear);
    source.addEventListener("open", () => says("open"));
    source.addEventListener("error", () => says("lost"));
  };
  const close = () => {
    source?.close();
    source = null;
  };
  const follow = () => {
    if (document.visibilityState === "hidden") close();
    else if (source === null) open();
  };
  document.addEventListener("visibilitychange", follow);
  addEventListener("pagehide", close);
  addEventListener("pageshow", follow);
  follow();
  return close;
}
