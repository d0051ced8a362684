// Keys: `/` goes to the search box, the arrows (or j and k) through the rows of a list, Enter opens one.
// A table or a list takes part with data-rows, several on a page one after the other; the first link of a row is what
// Enter opens.

const isTyping = (element) => element?.closest("input, textarea, select, [contenteditable]") !== null;

// Where the arrows have a meaning of their own. From a line of text and from a tick box they lead into the rows.
const keepsArrows = (element) =>
  element?.closest("select, textarea, input[type=number], input[type=radio], [contenteditable]") !== null;

const rowOf = (element) => element?.closest("[data-rows] tbody tr, [data-rows] > li") ?? null;

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
  if (document.querySelector("[data-rows]") === null) return;
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]") !== null) return;
    const step = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1 }[event.key];
    if (step === undefined || keepsArrows(event.target)) return;
    if (isTyping(event.target) && event.key !== "ArrowDown") return;
    const rows = [...document.querySelectorAll("[data-rows] tbody tr, [data-rows] > li")];
    const links = rows.map((row) => row.querySelector("a[href]")).filter(Boolean);
    if (links.length === 0) return;
    const row = rowOf(document.activeElement);
    const at = links.findIndex((link) => rowOf(link) === row);
    event.preventDefault();
    links[Math.min(Math.max(at + step, 0), links.length - 1)].focus();
  });
}
