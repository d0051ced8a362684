// The overview looks again by itself while somebody looks at it.

const place = document.querySelector("[data-again]");
if (place !== null) {
  setInterval(async () => {
    if (document.visibilityState === "hidden" || place.contains(document.activeElement)) return;
    const answer = await fetch(location.href, { headers: { "callboard-fragment": "1" } }).catch(() => null);
    if (answer === null || !answer.ok || answer.redirected) return;
    const fresh = document.createRange().createContextualFragment(await answer.text()).querySelector("[data-again]");
    if (fresh !== null) place.replaceChildren(...fresh.childNodes);
  }, 5000);
}
