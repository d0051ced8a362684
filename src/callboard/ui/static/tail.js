// The live tail: rows for changes as they happen, in a table that the server has begun. It can be paused; then changes
// wait, as many as the table would show, and of older ones only the number is kept.

const MOST = 200;
const FIRST_PAUSE = 2_000;
const LONGEST_PAUSE = 30_000;

function follow(bar) {
  const rows = new Rows(document.querySelector("[data-tail-rows]"), JSON.parse(bar.dataset.words));
  const state = bar.querySelector("[data-tail-state]");
  const button = bar.querySelector("[data-tail-pause]");
  const counts = bar.querySelector("[data-tail-counts]");
  const wanted = new Set(bar.dataset.types.split(" "));
  let waiting = [];
  let dropped = 0;
  let come = 0;
  let paused = false;
  let lost = false;

  const say = (text, kind) => {
    state.textContent = text;
    bar.dataset.state = kind;
  };
  const count = () => {
    const parts = [];
    if (come > 0) parts.push(come === 1 ? "1 change has come" : `${come} changes have come`);
    if (waiting.length > 0) parts.push(`${waiting.length} waiting`);
    if (dropped > 0) parts.push(`${dropped} not shown`);
    counts.textContent = parts.join(", ");
  };
  const take = (event) => {
    if (!wanted.has(event.type)) return;
    come += 1;
    if (paused) {
      waiting.push(event);
      if (waiting.length > MOST) {
        waiting.shift();
        dropped += 1;
      }
    } else {
      rows.show(event);
    }
    count();
  };

  counts.setAttribute("aria-live", "polite");
  say("Connecting…", "lost");
  button.hidden = false;
  button.addEventListener("click", () => {
    paused = !paused;
    button.setAttribute("aria-pressed", String(paused));
    button.querySelector("span").textContent = paused ? "Resume" : "Pause";
    if (!paused) {
      for (const event of waiting) rows.show(event);
      waiting = [];
    }
    say(paused ? "Paused: changes wait." : "Live", paused ? "paused" : "live");
    count();
  });
  connect(bar.dataset.tail, take, {
    open() {
      if (!paused) say(lost ? "Live again: nothing was missed." : "Live", "live");
      lost = false;
    },
    lost() {
      lost = true;
      say("The connection is lost. Trying again…", "lost");
    },
    gone() {
      say("The stream goes on from elsewhere, and changes may be missing here. Load the page again.", "lost");
    },
  });
}

// A browser comes back by itself after a broken connection, but not after an answer that is an error: then we do. And it
// has six connections to a server at most, so a page that nobody looks at gives its own up, and goes on there later.
function connect(address, take, told) {
  let source = null;
  let again = null;
  let next = address;
  let pause = FIRST_PAUSE;
  let over = false;
  const note = ({ lastEventId }) => {
    const [epoch, offset] = lastEventId.split(".");
    if (offset === undefined) return;
    const url = new URL(address, location.href);
    url.searchParams.set("epoch", epoch);
    url.searchParams.set("offset", offset);
    next = url.href;
  };
  const close = () => {
    clearTimeout(again);
    source?.close();
    source = null;
  };
  const open = () => {
    close();
    source = new EventSource(next);
    for (const type of ["added", "updated", "removed"]) {
      source.addEventListener(type, (message) => {
        note(message);
        take(JSON.parse(message.data));
      });
    }
    source.addEventListener("bookmark", note);
    source.addEventListener("open", () => {
      pause = FIRST_PAUSE;
      told.open();
    });
    source.addEventListener("gone", () => {
      over = true;
      close();
      told.gone();
    });
    source.addEventListener("error", ({ target }) => {
      if (target !== source) return;
      told.lost();
      if (source.readyState !== EventSource.CLOSED) return;
      again = setTimeout(open, pause);
      pause = Math.min(pause * 2, LONGEST_PAUSE);
    });
  };
  const follow = () => {
    if (over) return;
    if (document.visibilityState === "hidden") close();
    else if (source === null) open();
  };
  document.addEventListener("visibilitychange", follow);
  addEventListener("pagehide", close);
  addEventListener("pageshow", follow);
  follow();
}

class Rows {
  constructor(body, words) {
    this.body = body;
    this.words = words;
    this.template = document.querySelector("[data-tail-row]").content;
    this.icons = document.querySelector("[data-tail-icons]")?.content;
  }

  show(event) {
    const row = this.template.cloneNode(true).querySelector("tr");
    const part = (name) => row.querySelector(`[data-part="${name}"]`);
    row.dataset.offset = event.offset;
    part("offset").textContent = event.offset;
    part("type").textContent = event.reason === "left-filter" ? "out of sight" : event.type;
    part("type").classList.add({ added: "good", removed: "bad" }[event.type] ?? "plain");
    const ref = part("ref");
    if (ref !== null) this.name(ref, event.entityRef);
    fill(part("cause"), event.cause, this.words);
    const at = new Date(event.at);
    part("at").dateTime = event.at;
    part("at").title = event.at;
    part("at").textContent = at.toLocaleTimeString();
    part("change").href = `${pageOf(event.entityRef)}/changes/${event.offset}`;
    part("change").querySelector("span").textContent = ` at ${event.offset}`;
    this.body.prepend(row);
    while (this.body.children.length > MOST) this.body.lastElementChild.remove();
  }

  name(link, ref) {
    const kind = ref.slice(0, ref.indexOf(":"));
    const icon = this.icons.querySelector(`.icon-${CSS.escape(kind)}`) ?? this.icons.querySelector(".icon-other");
    link.prepend(icon.cloneNode(true));
    link.href = pageOf(ref);
    link.title = ref;
    link.querySelector("span").textContent = short(ref);
  }
}

// As callboard.ui.causes and the macro `cause` do it for what was there when the page was made.
function fill(place, cause, words) {
  const add = (label, ...nodes) => {
    const part = document.createElement("span");
    if (label !== "") {
      const name = document.createElement("span");
      name.className = "muted";
      name.textContent = label;
      part.append(name, " ");
    }
    part.append(...nodes);
    place.append(part);
  };
  if (cause === undefined) {
    add("Why is not told");
    return;
  }
  const because = cause.because ?? "";
  add("", words[because] ?? because.charAt(0).toUpperCase() + because.slice(1));
  if (cause.neighbour) add("neighbour", entity(cause.neighbour));
  if (cause.source) add("source", source(cause.source));
  if (cause.location && cause.location !== cause.source) add("location", where(cause.location));
  if (cause.locationId) add("", link("registered locations", "/operations/locations"));
  const rivals = (cause.conflict ?? []).filter((rival) => rival.source);
  if (rivals.length > 0) add("also offered by", ...rivals.flatMap((rival, at) => (at ? [", ", source(rival.source)] : [source(rival.source)])));
  if (cause.by) add("by", /^(user|group):/.test(cause.by) ? entity(cause.by) : cause.by);
}

function source(text) {
  if (text.startsWith("entity:")) return entity(text.slice("entity:".length));
  if (!text.startsWith("provider:")) return text;
  const name = text.slice("provider:".length);
  return link(`provider ${name}`, `/operations/providers/${encodeURIComponent(name)}`);
}

function where(text) {
  const target = text.replace(/^(url|file):/, "");
  return /^url:https?:/i.test(text) ? link(target, target) : target;
}

const entity = (ref) => link(short(ref), pageOf(ref));

function link(text, address) {
  const made = document.createElement("a");
  made.href = address;
  made.textContent = text;
  return made;
}

function parse(ref) {
  const colon = ref.indexOf(":");
  const slash = ref.indexOf("/", colon);
  return [ref.slice(0, colon), ref.slice(colon + 1, slash), ref.slice(slash + 1)];
}

function pageOf(ref) {
  const [kind, namespace, name] = parse(ref);
  return `/catalog/${[namespace, kind, name].map(encodeURIComponent).join("/")}`;
}

function short(ref) {
  const [kind, namespace, name] = parse(ref);
  return namespace === "default" ? `${kind}:${name}` : ref;
}

// A link with data-expand shows its page below its row. Without scripts it is a page of its own.
async function expand(event) {
  const opener = event.target.closest("a[data-expand]");
  if (opener === null || event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
  event.preventDefault();
  const row = opener.closest("tr");
  if (row.nextElementSibling?.classList.contains("expanded")) {
    row.nextElementSibling.remove();
    opener.setAttribute("aria-expanded", "false");
    return;
  }
  const answer = await fetch(opener.href, { headers: { "callboard-fragment": "1" } });
  if (answer.redirected) {
    location.assign(opener.href);
    return;
  }
  if (!row.isConnected || row.nextElementSibling?.classList.contains("expanded")) return;
  const below = document.createElement("tr");
  below.className = "expanded";
  const cell = document.createElement("td");
  cell.colSpan = row.children.length;
  // Made by our own server, where everything in it has been escaped.
  cell.append(document.createRange().createContextualFragment(await answer.text()));
  below.append(cell);
  row.after(below);
  opener.setAttribute("aria-expanded", "true");
}

const bar = document.querySelector("[data-tail]");
if (bar !== null) follow(bar);
document.addEventListener("click", expand);
