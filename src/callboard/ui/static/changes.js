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
  const source = new EventSource(place.dataset.changes);
  const count = (event) => {
    seen.add(event.lastEventId);
    chip.textContent = seen.size === 1 ? "1 change" : `${seen.size} changes`;
    chip.title = "Show them";
    chip.hidden = false;
  };
  for (const kind of ["added", "updated", "removed"]) source.addEventListener(kind, count);
  addEventListener("pagehide", () => source.close());
}
