// Definitions: a link to an operation or a schema unfolds it.

const unfold = () => {
  const place = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (place instanceof HTMLDetailsElement) {
    place.open = true;
    place.scrollIntoView({ block: "start" });
  }
};

addEventListener("hashchange", unfold);
unfold();
