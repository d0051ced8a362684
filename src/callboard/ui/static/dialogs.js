// Dialogs: a link with data-dialog opens its page in a dialog on top of this one. Without scripts it is a page of its own.

export function openDialogs() {
  document.addEventListener("click", async (event) => {
    const link = event.target.closest("a[data-dialog]");
    if (link === null || event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
    event.preventDefault();
    await show(link.href, link);
  });
}

async function show(address, opener) {
  const answer = await fetch(address, { headers: { "callboard-fragment": "1" } });
  if (answer.redirected) {
    location.assign(address);
    return;
  }
  const dialog = document.createElement("dialog");
  // Made by our own server, where everything in it has been escaped.
  dialog.append(document.createRange().createContextualFragment(await answer.text()));
  const heading = dialog.querySelector("h1, h2");
  if (heading !== null) {
    heading.id ||= "dialog-heading";
    dialog.setAttribute("aria-labelledby", heading.id);
  }
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog || event.target.closest("[data-close]") !== null) {
      event.preventDefault();
      dialog.close();
    }
  });
  dialog.addEventListener("close", () => {
    dialog.remove();
    opener.focus();
  });
  document.body.append(dialog);
  dialog.showModal();
}
