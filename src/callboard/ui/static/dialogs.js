// Dialogs: a link with data-dialog opens its page in a dialog on top of this one. Without scripts it is a page of its own.

export function openDialogs() {
  document.addEventListener("click", async (event) => {
    const link = event.target.closest("a[data-dialog]");
    if (link === null || event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
    event.preventDefault();
    await show(link);
  });
}

async function show(link) {
  const answer = await fetch(link.href, { headers: { "callboard-fragment": "1" } }).catch(() => null);
  if (answer === null || answer.redirected) {
    location.assign(link.href);
    return;
  }
  // Made by our own server, where everything in it has been escaped.
  const content = document.createRange().createContextualFragment(await answer.text());
  const open = link.closest("dialog");
  // A link within a dialog leads on, in the same one.
  const dialog = open ?? made(link);
  dialog.replaceChildren(content);
  name(dialog);
  if (open === null) dialog.showModal();
  else dialog.querySelector("[autofocus]")?.focus();
}

function made(opener) {
  const dialog = document.createElement("dialog");
  dialog.addEventListener("click", (event) => {
    const closes = event.target.closest("[data-close]") !== null;
    if (closes) event.preventDefault();
    if (closes || isBeside(dialog, event)) dialog.close();
  });
  dialog.addEventListener("close", () => {
    dialog.remove();
    opener.focus();
  });
  document.body.append(dialog);
  return dialog;
}

// A click on what is behind it is a click on the dialog itself, beyond its edges. One by a key has no place.
function isBeside(dialog, event) {
  if (event.target !== dialog || event.detail === 0) return false;
  const { left, right, top, bottom } = dialog.getBoundingClientRect();
  return event.clientX < left || event.clientX > right || event.clientY < top || event.clientY > bottom;
}

function name(dialog) {
  const heading = dialog.querySelector("h1, h2");
  if (heading === null) return;
  heading.id ||= "dialog-heading";
  dialog.setAttribute("aria-labelledby", heading.id);
}
