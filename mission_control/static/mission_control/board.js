/* The board: cards that move when the server says so, the slots, the latest lines, drag and drop, the keys.

   Nothing is drawn here. A hint names a task; the server is asked for its card and says whether the filters let it
   through. A card stays where it is while it is dragged, while its menu is open, while it has the focus or the
   pointer moves over its column. */
import { byId, fetchFragment, localise, parse, swap, toast } from "./page.js";

const area = document.querySelector(".board-area");
const GATHER_MS = 250;
const STILL_MS = 1500; // a pointer that rests so long is not reading where it stands
const LATER_MS = 700;

// ── Cards ────────────────────────────────────────────────────────────
const changed = new Set();
let timer = null;
let fetching = false;
let dragged = null;
let pointerMovedAt = 0;
const mine = new Set(); // what the user moves goes at once, wherever pointer and focus are

const query = () => new URLSearchParams([...new FormData(byId("filters"))].filter(([, value]) => value));

function change(...tasks) {
  for (const task of tasks) changed.add(task);
  timer ??= setTimeout(refresh, GATHER_MS);
}

function changeMine(task) {
  mine.add(task);
  setTimeout(() => mine.delete(task), 3000);
  change(task);
}

async function refresh() {
  timer = null;
  if (fetching || !changed.size) return void (timer = changed.size ? setTimeout(refresh, GATHER_MS) : null);
  const ids = [...changed].slice(0, 100);
  for (const id of ids) changed.delete(id);
  fetching = true;
  try {
    const response = await fetchFragment(`${area.dataset.changed}?${new URLSearchParams([...query(), ["ids", ids.join(",")]])}`);
    if (response.ok) takeCards(parse(await response.text()), ids);
  } catch {
    // The connection broke. When it is back, the board is fetched anew.
  }
  fetching = false;
  if (changed.size) timer ??= setTimeout(refresh, GATHER_MS);
}

function takeCards(fresh, ids) {
  const found = new Map([...fresh.querySelectorAll(".card")].map((card) => [card.dataset.task, card]));
  const later = ids.filter((id) => !place(byId(`card-${id}`), found.get(id)));
  showCounts(fresh);
  if (later.length) setTimeout(() => change(...later), LATER_MS);
}

/** Put a card where it belongs; tell whether it could be done now. */
function place(old, card) {
  if (!card) {
    if (old && isHeld(old)) return false;
    const cards = old?.parentElement;
    old?.remove();
    if (cards) showEmpty(cards);
    return true;
  }
  localise(card);
  const cards = document.querySelector(`.col[data-column="${card.dataset.column}"] .cards`);
  if (old && old.dataset.column === card.dataset.column) {
    if (dragged === old || hasMenu(old)) return false;
    keepLine(old, card);
    swap(old, card);
    return true;
  }
  const focused = old?.contains(document.activeElement);
  if (!mine.delete(card.dataset.task) && ((old && isHeld(old)) || isRead(cards))) {
    if (old && dragged !== old && !hasMenu(old) && old.dataset.updated !== card.dataset.updated) {
      card.dataset.column = old.dataset.column; // what it says is new, where it stands is not
      swap(old, card);
    }
    return false;
  }
  card.classList.add("is-new");
  const from = old?.parentElement;
  old?.remove();
  cards.prepend(card);
  window.htmx?.process(card);
  if (focused) card.querySelector("[data-key=title]").focus({ preventScroll: true });
  showEmpty(cards);
  if (from) showEmpty(from);
  return true;
}

const hasMenu = (card) => byId("card-menu").matches(":popover-open") && byId("card-menu").dataset.of === card.dataset.task;
const isRead = (place) => place.matches(":hover") && Date.now() - pointerMovedAt < STILL_MS;
const isHeld = (card) => dragged === card || hasMenu(card) || card.contains(document.activeElement) || isRead(card);

function keepLine(old, card) {
  const [before, now] = [old.querySelector("[data-line-of]"), card.querySelector("[data-line-of]")];
  if (before && now && before.dataset.lineOf === now.dataset.lineOf) now.textContent = before.textContent;
}

function showEmpty(cards) {
  const none = cards.querySelector(".col-empty");
  if (none) none.hidden = cards.querySelector(".card, .col-more") !== null;
}

function showCounts(fresh) {
  for (const count of fresh.querySelectorAll("[data-count]")) {
    for (const place of document.querySelectorAll(`#board [data-count="${count.dataset.count}"]`)) {
      if (place !== count) place.textContent = count.textContent;
    }
  }
}

/** Fetch the whole board: after a change of the filters, and when the connection was lost. */
let drawing = 0;
async function redraw() {
  const mine = ++drawing;
  const chosen = document.querySelector("input[name=col]:checked")?.id;
  const tops = new Map([...document.querySelectorAll(".col")].map((col) => [col.dataset.column, col.querySelector(".cards").scrollTop]));
  area.setAttribute("aria-busy", "true");
  try {
    const response = await fetchFragment(`/?${query()}`);
    if (mine !== drawing || !response.ok) return;
    const board = parse(await response.text()).querySelector("#board");
    if (dragged) return void setTimeout(redraw, LATER_MS);
    const focused = document.activeElement?.closest?.("#board") ? document.activeElement.closest(".card")?.id : null;
    localise(board);
    byId("board").replaceWith(board);
    window.htmx?.process(board);
    if (chosen && byId(chosen)) byId(chosen).checked = true;
    for (const [column, top] of tops) {
      const cards = board.querySelector(`.col[data-column="${column}"] .cards`);
      if (cards) cards.scrollTop = top;
    }
    if (focused) byId(focused)?.querySelector("[data-key=title]")?.focus({ preventScroll: true });
  } catch {
    // Fetched anew when the connection is back.
  } finally {
    if (mine === drawing) area.removeAttribute("aria-busy");
  }
}

// ── Slots ────────────────────────────────────────────────────────────
let slotsAgain = false;
let slotsFetching = false;

async function refreshSlots() {
  if (!area.dataset.slots) return;
  if (slotsFetching) return void (slotsAgain = true);
  slotsFetching = true;
  try {
    const response = await fetchFragment(area.dataset.slots);
    if (response.ok) takeSlots(parse(await response.text()));
  } catch {
    // Fetched anew when the connection is back.
  }
  slotsFetching = false;
  if (slotsAgain) {
    slotsAgain = false;
    refreshSlots();
  }
}

/** Draw only the slots that changed, each in its place. */
function takeSlots(fresh) {
  const [old, now] = [[...document.querySelectorAll("#slots .slot")], [...fresh.querySelectorAll(".slot")]];
  byId("slots-h").textContent = fresh.querySelector("#slots-h").textContent;
  if (old.length !== now.length) {
    localise(fresh);
    return byId("slots").replaceWith(fresh.querySelector("#slots"));
  }
  for (const [index, slot] of now.entries()) {
    if (slot.dataset.key !== old[index].dataset.key) swap(old[index], slot);
  }
}

// ── The latest line of each run ──────────────────────────────────────
const KEPT_CHARS = 400;
const tails = new Map();
let drawingLines = false;

function hear({ run_id: run, output_type: kind, content }) {
  if (kind !== "message" && kind !== "tool_use") return;
  const said = kind === "message" ? content : `\n${content.replace(/^Using tool: /, "Using ").slice(0, 160)}\n`;
  tails.set(run, ((tails.get(run) ?? "") + said).slice(-KEPT_CHARS));
  if (drawingLines) return;
  drawingLines = true;
  setTimeout(drawLines, document.hidden ? 1000 : 150);
}

// What a terminal or a reader's eye would be tricked by.
const TRICKS = /\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|.)|[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/g;

function drawLines() {
  drawingLines = false;
  for (const place of document.querySelectorAll("[data-line-of]")) {
    const tail = tails.get(place.dataset.lineOf);
    if (!tail) continue;
    const line = tail.replace(TRICKS, "").split("\n").map((part) => part.trim()).filter(Boolean).at(-1);
    if (line) place.textContent = line.slice(-160);
  }
}

// ── Frames ───────────────────────────────────────────────────────────
document.addEventListener("mc:frame", ({ detail: { event_type: name, data } }) => {
  if (name === "mc_task_output") return hear(data);
  if (name === "mc_task_updated") change(data.task.id);
  if (name === "mc_task_started" || name === "mc_task_completed") {
    if (data.task_id) change(data.task_id);
    if (name === "mc_task_completed") tails.delete(data.run_id);
  }
});
document.addEventListener("mc:wake", ({ detail: names }) => {
  if (names.has("mc:anew")) redraw();
  if (["mc:anew", "mc:run", "mc:capacity"].some((name) => names.has(name))) {
    refreshSlots();
    // Whoever waits has moved up.
    change(...[...document.querySelectorAll('.card:has(.card-note[data-status="waiting"])')].map((card) => card.dataset.task));
  }
});

// ── Filters ──────────────────────────────────────────────────────────
let typing = null;

function filter() {
  const asked = query().toString();
  history.replaceState(null, "", asked ? `/?${asked}` : "/");
  byId("clear").hidden = !asked;
  const make = byId("new-task");
  const project = new FormData(byId("filters")).get("project");
  if (make) make.href = project ? `/tasks/new?project=${project}` : "/tasks/new";
  redraw();
}

byId("filters").addEventListener("submit", (event) => {
  event.preventDefault();
  filter();
});
byId("filters").addEventListener("change", filter);
byId("q").addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(filter, 250);
});
byId("clear").addEventListener("click", (event) => {
  event.preventDefault();
  for (const part of byId("filters").elements) if (part.name) part.value = "";
  filter();
});

// ── Actions ──────────────────────────────────────────────────────────
async function act(url, body) {
  try {
    const response = await fetchFragment(url, { method: "POST", body });
    const said = decodeURIComponent(response.headers.get("X-Said") ?? "");
    if (response.ok) toast(said);
    else toast(said || (response.status === 403 ? "This page is out of date: reload it." : "The server refused it."), { status: "warn" });
  } catch {
    toast("The server does not answer. Whether it was done shows when it is back.", { status: "error" });
  }
  refreshSlots();
}

document.addEventListener("submit", async (event) => {
  const form = event.target.closest("form[data-acts]");
  if (!form) return;
  event.preventDefault();
  const task = form.closest("#card-menu")?.dataset.of;
  const body = new FormData(form, event.submitter);
  event.submitter?.setAttribute("aria-busy", "true");
  closeMenu();
  await act(form.action, body);
  event.submitter?.removeAttribute("aria-busy");
  if (task) changeMine(task);
});

// ── The menu of a card, in the top layer: a column would cut it off ──
async function openMenu(button, part = "a, button") {
  const menu = byId("card-menu");
  const task = button.closest(".card").dataset.task;
  if (menu.matches(":popover-open") && menu.dataset.of === task) return closeMenu();
  try {
    const response = await fetchFragment(button.dataset.menu);
    if (!response.ok) return location.assign(button.href);
    menu.replaceChildren(parse(await response.text()));
  } catch {
    return location.assign(button.href);
  }
  menu.dataset.of = task;
  menu.showPopover();
  const [place, size] = [button.getBoundingClientRect(), menu.getBoundingClientRect()];
  const below = place.bottom + 4 + size.height <= innerHeight - 8;
  menu.style.top = `${Math.max(below ? place.bottom + 4 : place.top - 4 - size.height, 8)}px`;
  menu.style.left = `${Math.max(Math.min(place.right - size.width, innerWidth - size.width - 8), 8)}px`;
  (menu.querySelector(part) ?? menu.querySelector("a, button"))?.focus();
}

function closeMenu() {
  const menu = byId("card-menu");
  if (!menu.matches(":popover-open")) return;
  const had = menu.contains(document.activeElement);
  menu.hidePopover();
  if (had) byId(`card-${menu.dataset.of}`)?.querySelector("[data-key=menu]")?.focus({ preventScroll: true });
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-menu]");
  if (!button || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  openMenu(button);
});
byId("card-menu").addEventListener("keydown", (event) => {
  const items = [...byId("card-menu").querySelectorAll("a, button")];
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (step) items[(items.indexOf(document.activeElement) + step + items.length) % items.length].focus();
  else if (event.key === "Escape" || event.key === "Tab") closeMenu();
  else return;
  event.preventDefault();
  event.stopPropagation();
});

// ── Keys ─────────────────────────────────────────────────────────────
document.addEventListener("keydown", (event) => {
  const card = event.target.closest?.(".card");
  if (!card || event.ctrlKey || event.metaKey || event.altKey) return;
  const next = { ArrowDown: () => beside(card, 1), ArrowUp: () => beside(card, -1), ArrowRight: () => across(card, 1), ArrowLeft: () => across(card, -1) }[event.key];
  if (next) next()?.querySelector("[data-key=title]")?.focus();
  else if (event.key === "." || event.key.toLowerCase() === "m") openMenu(card.querySelector("[data-menu]"), event.key === "." ? undefined : "[name=to]");
  else if (event.key === " " && event.target.matches("[data-menu]")) openMenu(event.target);
  else return;
  event.preventDefault();
});

function beside(card, step) {
  const cards = [...card.closest(".cards").querySelectorAll(".card")];
  return cards[cards.indexOf(card) + step];
}

function across(card, step) {
  const columns = [...document.querySelectorAll(".col")].filter((col) => col.offsetParent && col.querySelector(".card"));
  const at = columns.indexOf(card.closest(".col"));
  const column = columns[at + step];
  if (!column) return null;
  const top = card.getBoundingClientRect().top;
  const distance = (other) => Math.abs(other.getBoundingClientRect().top - top);
  return [...column.querySelectorAll(".card")].reduce((best, other) => (distance(other) < distance(best) ? other : best));
}

// ── Drag and drop ────────────────────────────────────────────────────
const marker = Object.assign(document.createElement("div"), { className: "card-drop" });

function target(event) {
  const column = event.target.closest?.(".col");
  if (!dragged || !column || column.dataset.column === dragged.dataset.column) return null;
  return dragged.dataset.to.split(" ").includes(column.dataset.column) ? column : null;
}

document.addEventListener("dragstart", (event) => {
  const card = event.target.closest?.(".card[draggable=true]");
  if (!card) return;
  dragged = card;
  event.dataTransfer.effectAllowed = "move";
  event.dataTransfer.setData("text/plain", card.querySelector(".card-title").textContent.trim());
  requestAnimationFrame(() => card.classList.add("is-dragging"));
});
document.addEventListener("dragover", (event) => {
  const column = target(event);
  if (!column) return marker.remove();
  event.preventDefault();
  event.dataTransfer.dropEffect = "move";
  const cards = column.querySelector(".cards");
  if (marker.parentElement !== cards) cards.prepend(marker);
});
document.addEventListener("drop", async (event) => {
  const column = target(event);
  if (!column) return;
  event.preventDefault();
  const card = dragged;
  const body = new FormData();
  body.set("to", column.dataset.column);
  body.set("csrfmiddlewaretoken", area.dataset.token);
  marker.remove();
  dragged = null;
  await act(`/tasks/${card.dataset.task}/move`, body);
  card.classList.remove("is-dragging");
  changeMine(card.dataset.task);
});
document.addEventListener("dragend", () => {
  dragged?.classList.remove("is-dragging");
  dragged = null;
  marker.remove();
});
document.addEventListener("pointermove", () => { pointerMovedAt = Date.now(); }, { passive: true });

// ── More cards of a column: one may have come meanwhile ──────────────
document.body.addEventListener("htmx:beforeSwap", (event) => {
  if (!event.detail.elt?.classList?.contains("col-more") && !event.target.classList?.contains("col-more")) return;
  const holder = document.createElement("div");
  holder.append(parse(event.detail.serverResponse));
  for (const card of holder.querySelectorAll(".card")) if (byId(card.id)) card.remove();
  event.detail.serverResponse = holder.innerHTML;
});
