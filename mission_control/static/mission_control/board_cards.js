/* The cards of the board: fetch each card again when it has changed, and put it at its rank.

   The server renders the cards. A frame names a changed task; the server returns its card if the filters include
   it. A card does not move while the user drags it, while its menu is open, while it has the focus, or while the
   pointer moves over its column. */
import { showSlots } from "./board_slots.js";
import { byId, fetchFragment, localise, parse } from "./page.js";
import { morph } from "./refresh.js";

export const area = document.querySelector(".board-area");
const GATHER_MS = 250;
const STILL_MS = 1500; // a user whose pointer rests this long is not reading the cards under it
const LATER_MS = 700;
// ── What to fetch ────────────────────────────────────────────────────
const changed = new Set(); // the tasks whose cards are to be fetched
const unplaced = new Map(); // task → its fetched card, or undefined, which could not be put on the board yet
let areSlotsChanged = false;
let timer = null;
let fetching = false;
let pointerMovedAt = 0;
/** The card that is being dragged. */
export const held = { card: null };
/** By task, when the server had answered the last move of its card: answers requested before have an older rank. */
export const answeredAt = new Map();
const mine = new Set(); // a card that this user moved goes at once, wherever pointer and focus are

/** Return the filters that are set, as a query string. */
export const query = () => new URLSearchParams([...new FormData(byId("filters"))].filter(([, value]) => value));

/**
 * Fetch the cards of these tasks soon.
 * @param {...string} tasks ids
 */
export function refresh(...tasks) {
  for (const task of tasks) changed.add(task);
  if (changed.size || areSlotsChanged) timer ??= setTimeout(fetchChanges, GATHER_MS);
}

/** Fetch the slots soon, with the cards of the same change. */
export function refreshSlots() {
  areSlotsChanged = Boolean(byId("slots"));
  refresh();
}

/**
 * Return the tasks on the board that depend on this one: those whose cards name it as unfinished, and those of
 * `blocks`, which it may block again.
 * @param {string} task
 * @param {string[]} [blocks]
 */
export function dependents(task, blocks = []) {
  const waiting = [...document.querySelectorAll(`.card[data-needs~="${CSS.escape(task)}"]`)].map((card) => card.dataset.task);
  return [...waiting, ...blocks.filter((id) => byId(`card-${id}`))];
}

/** Fetch the card of a task that this user changed, and move it at once, even under pointer or focus. */
export function refreshMine(task) {
  mine.add(task);
  setTimeout(() => mine.delete(task), 3000);
  refresh(task);
}

/** Fetch the changed cards, the numbers of cards and the changed slots in one request, one request at a time. */
async function fetchChanges() {
  timer = null;
  if (fetching) return refresh();
  const ids = [...changed].slice(0, 100);
  for (const id of ids) changed.delete(id);
  const parts = { ids: ids.join(","), ...(areSlotsChanged && { slots: "yes" }) };
  areSlotsChanged = false;
  fetching = true;
  const askedAt = performance.now();
  try {
    const response = await fetchFragment(`${area.dataset.changed}?${new URLSearchParams([...query(), ...Object.entries(parts)])}`);
    if (response.ok) takeChanges(parse(await response.text()), ids, askedAt);
  } catch {
    // The connection broke. The board is fetched again when it is back.
  }
  fetching = false;
  refresh();
}

/** Show what was fetched. Cards that cannot be placed now are placed later. */
function takeChanges(fresh, ids, askedAt) {
  showSlots(fresh);
  showCounts(fresh);
  const found = new Map([...fresh.querySelectorAll(".card")].map((card) => [card.dataset.task, card]));
  const older = ids.filter((id) => (answeredAt.get(id) ?? 0) > askedAt);
  if (older.length) setTimeout(() => refresh(...older), LATER_MS);
  for (const id of ids) if (!older.includes(id)) placeOrKeep(id, found.get(id));
}

/**
 * Put the card of a task on the board, or keep it and try again later.
 * @param {string} task
 * @param {HTMLElement | undefined} card
 */
function placeOrKeep(task, card) {
  unplaced.delete(task);
  if (place(byId(`card-${task}`), card)) return;
  if (!unplaced.size) setTimeout(placeKept, LATER_MS);
  unplaced.set(task, card);
}

function placeKept() {
  const kept = [...unplaced];
  unplaced.clear();
  for (const [task, card] of kept) placeOrKeep(task, card);
}

/**
 * Put a card at its rank, or remove it if the server returned none.
 * @param {HTMLElement | null} old
 * @param {HTMLElement | undefined} card
 * @returns {boolean} whether this could be done now
 */
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
    morph(old, card);
    return true;
  }
  const focused = old?.contains(document.activeElement);
  if (!mine.delete(card.dataset.task) && ((old && isHeld(old)) || isRead(cards))) {
    if (old && held.card !== old && !hasMenu(old) && old.dataset.updated !== card.dataset.updated) {
      const shown = card.cloneNode(true); // show the new content, but keep the old rank
      Object.assign(shown.dataset, { column: old.dataset.column, rank: old.dataset.rank });
      morph(old, shown);
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

// ── The rank of a card in its column ─────────────────────────────────
/** Tell whether the first card ranks above the second: its time is later, or the same and its id is lower. */
function isAbove(one, other) {
  const [[at, tie], [otherAt, otherTie]] = [one, other].map((card) => card.dataset.rank.split(" "));
  return at === otherAt ? tie < otherTie : at > otherAt;
}

/** Tell whether a person moved a card within its column. A card that was only changed stays, so that nothing jumps. */
function isElsewhere(old, card) {
  if (old.dataset.rank === card.dataset.rank) return false;
  if (!("placed" in card.dataset || "placed" in old.dataset)) {
    card.dataset.stale = "";
    return false;
  }
  const { upper, lower } = between(old.previousElementSibling, old.nextElementSibling);
  return (upper && isAbove(card, upper)) || (lower && isAbove(lower, card));
}

/**
 * Return the nearest card above and the nearest card below whose rank on the page is also their rank on the server.
 * @param {Element | null} first where the search upwards starts
 * @param {Element | null} second where the search downwards starts
 */
export function between(first, second) {
  const search = (from, direction) => {
    let card = from;
    while (card && (!card.matches(".card") || "stale" in card.dataset || card === held.card)) card = card[direction];
    return card;
  };
  return { upper: search(first, "previousElementSibling"), lower: search(second, "nextElementSibling") };
}

/** Insert a card in a column by its rank. A card below all loaded ones is left to “Show more”. */
function insert(cards, card) {
  const next = [...cards.querySelectorAll(".card:not([data-stale])")].find((other) => isAbove(card, other));
  const more = cards.querySelector(".col-more");
  if (next) next.before(card);
  else if (!more) cards.insertBefore(card, cards.querySelector(".col-empty"));
}

const hasMenu = (card) => byId("card-menu").matches(":popover-open") && byId("card-menu").dataset.of === card.dataset.task;
const isRead = (place) => place.matches(":hover") && Date.now() - pointerMovedAt < STILL_MS;
const isHeld = (card) => held.card === card || hasMenu(card) || card.contains(document.activeElement) || isRead(card);

/** Keep the line of output that the old card shows, if both cards show the same run. */
function keepLine(old, card) {
  const [before, now] = [old.querySelector(".card-line"), card.querySelector(".card-line")];
  if (before?.dataset.lineOf && before.dataset.lineOf === now?.dataset.lineOf && before.textContent !== "…") now.textContent = before.textContent;
}

/** Show or hide the text of an empty column. */
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

/** Fetch the whole board: after a change of the filters, and when the connection is back. */
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
    if (held.card || [...answeredAt.values()].some((time) => time > askedAt)) return void setTimeout(redraw, LATER_MS);
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
    // The board is fetched again when the connection is back.
  } finally {
    if (mine === drawing) area.removeAttribute("aria-busy");
  }
}

document.addEventListener("pointermove", () => { pointerMovedAt = Date.now(); }, { passive: true });
