// Copy: a button with data-copy puts the text of the block that it stands beside into the clipboard. Without scripts, or
// where the browser doesn't let pages do that, there is no button.

for (const button of document.querySelectorAll("[data-copy]")) {
  const label = button.querySelector("span");
  const block = button.parentElement.querySelector("pre");
  if (block === null || navigator.clipboard === undefined) continue;
  button.hidden = false;
  button.setAttribute("aria-live", "polite");
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(block.textContent);
      label.textContent = "Copied";
    } catch {
      label.textContent = "The browser refused it";
    }
    setTimeout(() => { label.textContent = "Copy"; }, 2_000);
  });
}
