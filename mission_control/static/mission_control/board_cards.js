/* The cards of the board: each is fetched anew when it has changed, and put where it belongs.

   Nothing is drawn here. A hint names a task; the server is asked for its card and says whether the filters let it
   through. A card stays where it is while it is dragged, while its menu is open, while it has the focus or the
   pointer moves over its column. */
import { byId, fetchFragment, localise, parse, swap } from "./page.js";

export const area = document.querySelector(".board-area");
const GATHER_MS = 250;
const STILL_MS = 1500; // a pointer that rests so long is not reading where it stands
const LATER_MS = 700;
// ── Cards ────────────────────────────────────────────────────────────
const changed = new Set();
let timer = null;
let fetching = false;
let pointerMovedAt = 0;
/** The card that is being dragged. */
export const held = { card: null };
/** When the server had taken what was last done to a card: what was asked before tells of an older place. */
export const takenAt = new Map();
const mine = new Set(); // what the user moves goes at once, wherever pointer and focus are

export const query = () => new URLSearchParams([...new FormData(byId("filters"))].filter(([, value]) => value));

export function change(...tasks) {
  for (const task of tasks) changed.add(task);
  timer ??= setTimeout(refresh, GATHER_MS);
}

/** Return the tasks on the board whose cards name this task as unfinished, and those of `blocks`, which it may hold back again. */
export function dependents(task, blocks = []) {
  const waiting = [...document.querySelectorAll(`.card[data-needs~="${CSS.escape(task)}"]`)].map((card) => card.dataset.task);
  return [...waiting, ...blocks.filter((id) => byId(`card-${id}`))];
}

export function changeMine(task) {
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
  const askedAt = performance.now();
  try {
    const response = await fetchFragment(`${area.dataset.changed}?${new URLSearchParams([...query(), ["ids", ids.join(",")]])}`);
    if (response.ok) takeCards(parse(await response.text()), ids, askedAt);
  } catch {
    // The connection broke. When it is back, the board is fetched anew.
  }
  fetching = false;
  if (changed.size) timer ??= setTimeout(refresh, GATHER_MS);
}

function takeCards(fresh, ids, askedAt) {
  const found = new Map([...fresh.querySelectorAll(".card")].map((card) => [card.dataset.task, card]));
  const later = ids.filter((id) => isOlder(id, askedAt) || !place(byId(`card-${id}`), found.get(id)));
  showCounts(fresh);
  if (later.length) setTimeout(() => change(...later), LATER_MS);
}

const isOlder = (task, askedAt) => (takenAt.get(task) ?? 0) > askedAt;

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
  if (old && old.dataset.column === card.dataset.column && !isElsewhere(old, card)) {
    if (held.card === old || hasMenu(old)) return false;
    mine.delete(card.dataset.task);
    keepLine(old, card);
    swap(old, card);
    return true;
  }
  const focused = old?.contains(document.activeElement);
  if (!mine.delete(card.dataset.task) && ((old && isHeld(old)) || isRead(cards))) {
    if (old && held.card !== old && !hasMenu(old) && old.dataset.updated !== card.dataset.updated) {
      Object.assign(card.dataset, { column: old.dataset.column, stands: old.dataset.stands }); // what it says is new, where it stands is not
      swap(old, card);
    }
    return false;
  }
  card.classList.add("is-new");
  const from = old?.parentElement;
  old?.remove();
  insert(cards, card);
  window.htmx?.process(card);
  if (focused) card.querySelector("[data-key=title]")?.focus({ preventScroll: true });
  showEmpty(cards);
  if (from) showEmpty(from);
  return true;
}

// ── Where a card stands in its column ────────────────────────────────
/** Tell whether the first stands above the second: of a later moment, or of the same one with a lower id. */
function isAbove(one, other) {
  const [[at, tie], [otherAt, otherTie]] = [one, other].map((card) => card.dataset.stands.split(" "));
  return at === otherAt ? tie < otherTie : at > otherAt;
}

/** Tell whether a person placed a card elsewhere in its column. One that was only changed stays: nothing jumps. */
function isElsewhere(old, card) {
  if (old.dataset.stands === card.dataset.stands) return false;
  if (!("placed" in card.dataset || "placed" in old.dataset)) {
    card.dataset.stale = "";
    return false;
  }
  const { upper, lower } = between(old.previousElementSibling, old.nextElementSibling);
  return (upper && isAbove(card, upper)) || (lower && isAbove(lower, card));
}

/** Return the nearest cards, from these two on upwards and downwards, that stand where the server has them. */
export function between(first, second) {
  const look = (from, direction) => {
    let card = from;
    while (card && (!card.matches(".card") || "stale" in card.dataset || card === held.card)) card = card[direction];
    return card;
  };
  return { upper: look(first, "previousElementSibling"), lower: look(second, "nextElementSibling") };
}

/** Put a card among those of a column; one that stands below all that were loaded is left to “Show more”. */
function insert(cards, card) {
  const next = [...cards.querySelectorAll(".card:not([data-stale])")].find((other) => isAbove(card, other));
  const more = cards.querySelector(".col-more");
  if (next) next.before(card);
  else if (!more) cards.insertBefore(card, cards.querySelector(".col-empty"));
}

const hasMenu = (card) => byId("card-menu").matches(":popover-open") && byId("card-menu").dataset.of === card.dataset.task;
const isRead = (place) => place.matches(":hover") && Date.now() - pointerMovedAt < STILL_MS;
const isHeld = (card) => held.card === card || hasMenu(card) || card.contains(document.activeElement) || isRead(card);

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
export async function redraw() {
  const mine = ++drawing;
  const chosen = document.querySelector("input[name=col]:checked")?.id;
  const tops = new Map([...document.querySelectorAll(".col")].map((col) => [col.dataset.column, col.querySelector(".cards").scrollTop]));
  const askedAt = performance.now();
  area.setAttribute("aria-busy", "true");
  try {
    const response = await fetchFragment(`${byId("filters").action}?${query()}`);
    if (mine !== drawing || !response.ok) return;
    const board = parse(await response.text()).querySelector("#board");
    if (held.card || [...takenAt.values()].some((time) => time > askedAt)) return void setTimeout(redraw, LATER_MS);
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

document.addEventListener("pointermove", () => { pointerMovedAt = Date.now(); }, { passive: true });
