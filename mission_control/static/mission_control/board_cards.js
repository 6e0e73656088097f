/* The cards of the board: fetch each card again when it has changed, and put it at its rank.

   The server renders the cards. A frame names a changed task; the server returns its card if the filters include
   it. A card does not move while the user drags it, while its menu is open, while it has the focus, or while the
   pointer moves over its column. */
import { byId, fetchFragment, localise, parse, swap } from "./page.js";

export const area = document.querySelector(".board-area");
const GATHER_MS = 250;
const STILL_MS = 1500; // a user whose pointer rests this long is not reading the cards under it
const LATER_MS = 700;
// ── Cards ────────────────────────────────────────────────────────────
const changed = new Set();
let timer = null;
let fetching = false;
let pointerMovedAt = 0;
/** The card that is being dragged. */
export const held = { card: null };
/** By task, when the server had answered the last move of its card: answers requested before have an older rank. */
export const takenAt = new Map();
const mine = new Set(); // a card that this user moved goes at once, wherever pointer and focus are

/** Return the filters that are set, as a query string. */
export const query = () => new URLSearchParams([...new FormData(byId("filters"))].filter(([, value]) => value));

/**
 * Fetch the cards of these tasks soon.
 * @param {...string} tasks ids
 */
export function change(...tasks) {
  for (const task of tasks) changed.add(task);
  timer ??= setTimeout(refresh, GATHER_MS);
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
    // The connection broke. The board is fetched again when it is back.
  }
  fetching = false;
  if (changed.size) timer ??= setTimeout(refresh, GATHER_MS);
}

/** Put the fetched cards on the board; try again later those that cannot be updated now. */
function takeCards(fresh, ids, askedAt) {
  const found = new Map([...fresh.querySelectorAll(".card")].map((card) => [card.dataset.task, card]));
  const later = ids.filter((id) => isOlder(id, askedAt) || !place(byId(`card-${id}`), found.get(id)));
  showCounts(fresh);
  if (later.length) setTimeout(() => change(...later), LATER_MS);
}

const isOlder = (task, askedAt) => (takenAt.get(task) ?? 0) > askedAt;

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
    swap(old, card);
    return true;
  }
  const focused = old?.contains(document.activeElement);
  if (!mine.delete(card.dataset.task) && ((old && isHeld(old)) || isRead(cards))) {
    if (old && held.card !== old && !hasMenu(old) && old.dataset.updated !== card.dataset.updated) {
      Object.assign(card.dataset, { column: old.dataset.column, stands: old.dataset.stands }); // show the new content, but keep the old rank
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

// ── The rank of a card in its column ─────────────────────────────────
/** Tell whether the first card ranks above the second: its time is later, or the same and its id is lower. */
function isAbove(one, other) {
  const [[at, tie], [otherAt, otherTie]] = [one, other].map((card) => card.dataset.stands.split(" "));
  return at === otherAt ? tie < otherTie : at > otherAt;
}

/** Tell whether a person moved a card within its column. A card that was only changed stays, so that nothing jumps. */
function isElsewhere(old, card) {
  if (old.dataset.stands === card.dataset.stands) return false;
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
  const look = (from, direction) => {
    let card = from;
    while (card && (!card.matches(".card") || "stale" in card.dataset || card === held.card)) card = card[direction];
    return card;
  };
  return { upper: look(first, "previousElementSibling"), lower: look(second, "nextElementSibling") };
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
  const [before, now] = [old.querySelector("[data-line-of]"), card.querySelector("[data-line-of]")];
  if (before && now && before.dataset.lineOf === now.dataset.lineOf) now.textContent = before.textContent;
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
    // The board is fetched again when the connection is back.
  } finally {
    if (mine === drawing) area.removeAttribute("aria-busy");
  }
}

document.addEventListener("pointermove", () => { pointerMovedAt = Date.now(); }, { passive: true });
