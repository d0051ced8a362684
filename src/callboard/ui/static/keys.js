// Keys: `/` goes to the search box, the arrows (or j and k) through the rows of a table, Enter opens one.
// A table takes part with data-rows; the first link of a row is what Enter opens.

const isTyping = (element) => element?.closest("input, textarea, select, [contenteditable]") !== null;

export function focusSearch() {
  document.addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
    const box = document.querySelector("[data-search-here]") ?? document.querySelector("[data-search]");
    if (box === null) return;
    event.preventDefault();
    box.focus();
    box.select();
  });
}

export function moveThroughRows() {
  const table = document.querySelector("[data-rows]");
  if (table === null) return;
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]") !== null) return;
    const step = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1 }[event.key];
    if (step === undefined || (isTyping(event.target) && event.key !== "ArrowDown")) return;
    const links = [...table.querySelectorAll("tbody tr")].map((row) => row.querySelector("a[href]")).filter(Boolean);
    if (links.length === 0) return;
    const row = document.activeElement?.closest("tbody tr");
    const at = links.findIndex((link) => link.closest("tr") === row);
    event.preventDefault();
    links[Math.min(Math.max(at + step, 0), links.length - 1)].focus();
  });
}
