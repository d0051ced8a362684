// Progress: a part with data-follow="address" is asked for again until the answer's own part has no address any more.

const FIRST_PAUSE = 300;
const LONGEST_PAUSE = 3000;

for (const part of document.querySelectorAll("[data-follow]")) follow(part);

async function follow(part) {
  for (let pause = FIRST_PAUSE; part.dataset.follow !== ""; pause = Math.min(pause * 1.3, LONGEST_PAUSE)) {
    await new Promise((resolve) => setTimeout(resolve, pause));
    if (!document.hidden) await look(part);
  }
}

async function look(part) {
  const answer = await fetch(part.dataset.follow, { headers: { "callboard-fragment": "1" } }).catch(() => null);
  // A server that is away, or has no time now, is asked again.
  if (answer === null || answer.status >= 500) return;
  if (!answer.ok || answer.redirected) {
    location.assign(part.dataset.follow);
    part.dataset.follow = "";
    return;
  }
  // Made by our own server, where everything in it has been escaped.
  const fresh = document.createRange().createContextualFragment(await answer.text()).querySelector("[data-follow]");
  if (fresh.innerHTML !== part.innerHTML) part.replaceChildren(...fresh.childNodes);
  part.dataset.follow = fresh.dataset.follow;
}
