// Graphs: the neighbours of a box stand out, and a drawing can be moved and made larger. Without this it scrolls.

const STEP = 1.25;
const LEAST = 0.3;
const MOST = 3;

for (const graph of document.querySelectorAll("[data-graph]")) {
  const svg = graph.querySelector("svg");
  standOut(svg);
  addZoom(graph, svg);
  drag(graph);
  showStart(graph);
}

function standOut(svg) {
  const lines = [...svg.querySelectorAll("[data-left]")];
  const boxes = new Map([...svg.querySelectorAll("[data-box]")].map((box) => [box.dataset.box, box]));
  const look = (event) => {
    const box = event.target.closest("[data-box]");
    forget();
    if (box === null) return;
    const here = box.dataset.box;
    svg.classList.add("looking");
    box.classList.add("lit");
    for (const line of lines) {
      const { left, right } = line.dataset;
      if (left !== here && right !== here) continue;
      line.classList.add("lit");
      boxes.get(left === here ? right : left).classList.add("lit");
    }
  };
  const forget = () => {
    svg.classList.remove("looking");
    for (const each of svg.querySelectorAll(".lit")) each.classList.remove("lit");
  };
  svg.addEventListener("pointerover", look);
  svg.addEventListener("focusin", look);
  svg.addEventListener("pointerleave", forget);
  svg.addEventListener("focusout", forget);
}

function addZoom(graph, svg) {
  const [, , width, height] = svg.getAttribute("viewBox").split(" ").map(Number);
  const scaleTo = (scale, x = graph.clientWidth / 2, y = graph.clientHeight / 2) => {
    const before = svg.getBoundingClientRect().width / width;
    const after = Math.min(Math.max(scale, LEAST), MOST);
    const left = graph.scrollLeft + x;
    const top = graph.scrollTop + y;
    svg.classList.remove("fits");
    svg.setAttribute("width", width * after);
    svg.setAttribute("height", height * after);
    graph.scrollLeft = (left / before) * after - x;
    graph.scrollTop = (top / before) * after - y;
  };
  const present = () => svg.getBoundingClientRect().width / width;
  const fitting = () => Math.min(graph.clientWidth / width, graph.clientHeight / height, 1);
  const frame = document.createElement("div");
  frame.className = "graph-frame";
  graph.replaceWith(frame);
  const buttons = document.createElement("div");
  buttons.className = "zoom";
  frame.append(buttons, graph);
  const doings = [
    ["+", "Larger", () => scaleTo(present() * STEP)],
    ["−", "Smaller", () => scaleTo(present() / STEP)],
    ["⤢", "All of it", () => scaleTo(fitting())],
  ];
  for (const [sign, says, act] of doings) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = sign;
    button.title = says;
    button.setAttribute("aria-label", says);
    button.addEventListener("click", act);
    buttons.append(button);
  }
  graph.addEventListener("wheel", (event) => {
    // A wheel alone scrolls, as everywhere else on the page.
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    const place = graph.getBoundingClientRect();
    scaleTo(present() * (event.deltaY < 0 ? STEP : 1 / STEP), event.clientX - place.left, event.clientY - place.top);
  }, { passive: false });
}

function drag(graph) {
  let from = null;
  graph.addEventListener("pointerdown", (event) => {
    // A finger scrolls by itself.
    if (event.pointerType !== "mouse" || event.button !== 0 || event.target.closest("a") !== null) return;
    from = { x: event.clientX + graph.scrollLeft, y: event.clientY + graph.scrollTop };
    graph.classList.add("dragged");
    graph.setPointerCapture(event.pointerId);
  });
  graph.addEventListener("pointermove", (event) => {
    if (from === null) return;
    graph.scrollLeft = from.x - event.clientX;
    graph.scrollTop = from.y - event.clientY;
  });
  const end = () => {
    from = null;
    graph.classList.remove("dragged");
  };
  graph.addEventListener("pointerup", end);
  graph.addEventListener("pointercancel", end);
}

function showStart(graph) {
  const start = graph.querySelector(".start");
  if (start === null) return;
  const box = start.getBoundingClientRect();
  const place = graph.getBoundingClientRect();
  graph.scrollLeft += box.left + box.width / 2 - place.left - place.width / 2;
  graph.scrollTop += box.top + box.height / 2 - place.top - place.height / 2;
}
