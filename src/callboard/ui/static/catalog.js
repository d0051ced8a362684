// The list: a filter that is ticked takes effect at once, and the text does after a moment without typing.

// Where there is little room, the list comes first.
if (matchMedia("(max-width: 900px)").matches) document.querySelector("[data-fold]")?.removeAttribute("open");

const filters = document.querySelector("[data-filters]");
filters?.addEventListener("change", (event) => {
  if (event.target.type === "checkbox") filters.requestSubmit();
});

const text = filters?.querySelector("input[name=q]");
let waiting = 0;
text?.addEventListener("input", () => {
  clearTimeout(waiting);
  waiting = setTimeout(() => {
    sessionStorage.setItem("callboard-typing", "1");
    filters.requestSubmit();
  }, 500);
});
// The next page goes on where the typing was.
if (text && sessionStorage.getItem("callboard-typing") !== null) {
  sessionStorage.removeItem("callboard-typing");
  text.focus();
  text.setSelectionRange(text.value.length, text.value.length);
}
// An empty field says nothing, and need not be in the address.
filters?.addEventListener("submit", () => {
  if (text.value === "") text.disabled = true;
});
