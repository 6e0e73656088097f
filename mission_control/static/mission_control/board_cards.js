// @ts-check
/* The cards of the board: fetch each card again when it has changed, and put it at its rank.

   The server renders the cards. A frame names a changed task; the server returns its card if the filters include
   it. A card does not move while the user drags it, while its menu is open, while it has the focus, or while the
   pointer moves over its column. */
import { showSlots } from "./board_slots.js";
import { all, byId, closest, entriesOf, required, requiredIn } from "./dom.js";
import { fetchFragment, localise, parse } from "./page.js";
import { morph, whenVisible } from "./refresh.js";

export const area = requiredIn(document, ".board-area");
const GATHER_MS = 250;
const STILL_MS = 1500; // a user whose pointer rests this long is not reading the cards under it
const LATER_MS = 700;
// ── What to fetch ────────────────────────────────────────────────────
/**
 * The tasks whose cards are to be fetched.
 * @type {Set<string>}
 */
const changed = new Set();
/**
 * By task, a fetched card that could not be put on the board yet; undefined if the task has no card any more.
 * @type {Map<string, HTMLElement | undefined>}
 */
const unplaced = new Map();
let areSlotsChanged = false;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer;
let fetching = false;
let pointerMovedAt = 0;
/**
 * The card that is being dragged.
 * @type {{card: HTMLElement | null}}
 */
export const held = { card: null };
/**
 * By task, when the server had answered the last move of its card: answers requested before have an older rank.
 * @type {Map<string, number>}
 */
export const answeredAt = new Map();
/**
 * The tasks that this user moved: their cards go at once, wherever pointer and focus are.
 * @type {Set<string>}
 */
const mine = new Set();

/**
 * Return the task that a card shows.
 * @param {HTMLElement} card
 */
export const taskOf = (card) => card.dataset.task ?? "";

/**
 * Return the name of a column, or of the column that a card is in.
 * @param {HTMLElement} element
 */
export const columnOf = (element) => element.dataset.column ?? "";

/**
 * Return the cards in a part of the board, from the top.
 * @param {ParentNode} root
 */
export const cardsIn = (root) => all(root, ".card");

const filters = () => required("filters", HTMLFormElement);

/** Return the filters that are set, as a query string. */
export const query = () => new URLSearchParams(entriesOf(filters()).filter(([, value]) => value));

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
  const waiting = all(document, `.card[data-needs~="${CSS.escape(task)}"]`).map(taskOf);
  return [...waiting, ...blocks.filter((id) => byId(`card-${id}`))];
}

/**
 * Fetch the card of a task that this user changed, and move it at once, even under pointer or focus.
 * @param {string} task
 */
export function refreshMine(task) {
  mine.add(task);
  setTimeout(() => mine.delete(task), 3000);
  refresh(task);
}

/** Fetch the changed cards, the numbers of cards and the changed slots in one request, one request at a time. */
async function fetchChanges() {
  timer = undefined;
  if (document.hidden) return whenVisible(refresh);
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

/**
 * Show what was fetched. Cards that cannot be placed now are placed later.
 * @param {DocumentFragment} fresh
 * @param {string[]} ids the tasks that were asked for
 * @param {number} askedAt
 */
function takeChanges(fresh, ids, askedAt) {
  showSlots(fresh);
  showCounts(fresh);
  const found = new Map(cardsIn(fresh).map((card) => [taskOf(card), card]));
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
  const cards = requiredIn(document, `.col[data-column="${columnOf(card)}"] .cards`);
  if (old && columnOf(old) === columnOf(card) && !isElsewhere(old, card)) {
    if (held.card === old || hasMenu(old)) return false;
    mine.delete(taskOf(card));
    keepLine(old, card);
    morph(old, card);
    return true;
  }
  const focused = old?.contains(document.activeElement);
  if (!mine.delete(taskOf(card)) && ((old && isHeld(old)) || isRead(cards))) {
    if (old && held.card !== old && !hasMenu(old) && old.dataset.updated !== card.dataset.updated) {
      const shown = /** @type {HTMLElement} */ (card.cloneNode(true)); // show the new content, but keep the old rank
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
  if (focused) focusTitle(card);
  showEmpty(cards);
  if (from) showEmpty(from);
  return true;
}

/** @param {HTMLElement} card */
const focusTitle = (card) => requiredIn(card, "[data-key=title]").focus({ preventScroll: true });

// ── The rank of a card in its column ─────────────────────────────────
/**
 * Tell whether the first card ranks above the second: its time is later, or the same and its id is lower.
 * @param {HTMLElement} one
 * @param {HTMLElement} other
 */
function isAbove(one, other) {
  const [[at, tie], [otherAt, otherTie]] = [one, other].map((card) => (card.dataset.rank ?? "").split(" "));
  return at === otherAt ? tie < otherTie : at > otherAt;
}

/**
 * Tell whether a person moved a card within its column. A card that was only changed stays, so that nothing jumps.
 * @param {HTMLElement} old
 * @param {HTMLElement} card
 */
function isElsewhere(old, card) {
  if (old.dataset.rank === card.dataset.rank) return false;
  if (!("placed" in card.dataset || "placed" in old.dataset)) {
    card.dataset.stale = "";
    return false;
  }
  const { upper, lower } = between(old.previousElementSibling, old.nextElementSibling);
  return (upper !== null && isAbove(card, upper)) || (lower !== null && isAbove(lower, card));
}

/**
 * Return the nearest card above and the nearest card below whose rank on the page is also their rank on the server.
 * @param {Element | null} first where the search upwards starts
 * @param {Element | null} second where the search downwards starts
 */
export function between(first, second) {
  /** @param {Element | null} from @param {"previousElementSibling" | "nextElementSibling"} direction */
  const search = (from, direction) => {
    let card = from;
    while (card && (!card.matches(".card:not([data-stale])") || card === held.card)) card = card[direction];
    return /** @type {HTMLElement | null} */ (card);
  };
  return { upper: search(first, "previousElementSibling"), lower: search(second, "nextElementSibling") };
}

/**
 * Insert a card in a column by its rank. A card below all loaded ones is left to “Show more”.
 * @param {HTMLElement} cards
 * @param {HTMLElement} card
 */
function insert(cards, card) {
  const next = all(cards, ".card:not([data-stale])").find((other) => isAbove(card, other));
  const more = cards.querySelector(".col-more");
  if (next) next.before(card);
  else if (!more) cards.insertBefore(card, cards.querySelector(".col-empty"));
}

/** @param {HTMLElement} card */
const hasMenu = (card) => required("card-menu").matches(":popover-open") && required("card-menu").dataset.of === taskOf(card);
/** @param {HTMLElement} place */
const isRead = (place) => place.matches(":hover") && Date.now() - pointerMovedAt < STILL_MS;
/** @param {HTMLElement} card */
const isHeld = (card) => held.card === card || hasMenu(card) || card.contains(document.activeElement) || isRead(card);

/**
 * Keep the line of output that the old card shows, if both cards show the same run.
 * @param {HTMLElement} old
 * @param {HTMLElement} card
 */
function keepLine(old, card) {
  const [[before], [now]] = [all(old, ".card-line"), all(card, ".card-line")];
  const isSame = before?.dataset.lineOf && before.dataset.lineOf === now?.dataset.lineOf;
  if (isSame && before.textContent !== "…") now.textContent = before.textContent;
}

/**
 * Show or hide the text of an empty column.
 * @param {HTMLElement} cards
 */
function showEmpty(cards) {
  const [none] = all(cards, ".col-empty");
  if (none) none.hidden = cards.querySelector(".card, .col-more") !== null;
}

/** @param {ParentNode} fresh */
function showCounts(fresh) {
  for (const count of all(fresh, "[data-count]")) {
    for (const place of document.querySelectorAll(`#board [data-count="${count.dataset.count}"]`)) {
      if (place !== count) place.textContent = count.textContent;
    }
  }
}

let drawing = 0;

/** Fetch the whole board: after a change of the filters, and when the connection is back. */
export async function redraw() {
  const number = ++drawing;
  const chosen = document.querySelector("input[name=col]:checked")?.id;
  const tops = new Map(all(document, ".col").map((col) => [columnOf(col), requiredIn(col, ".cards").scrollTop]));
  const askedAt = performance.now();
  area.setAttribute("aria-busy", "true");
  try {
    const response = await fetchFragment(`${filters().action}?${query()}`);
    const html = await response.text();
    if (number !== drawing || !response.ok) return;
    const board = requiredIn(parse(html), "#board");
    if (held.card || [...answeredAt.values()].some((time) => time > askedAt)) return void setTimeout(redraw, LATER_MS);
    const focused = closest(document.activeElement, "#board .card")?.id;
    localise(board);
    required("board").replaceWith(board);
    window.htmx?.process(board);
    if (chosen && byId(chosen)) required(chosen, HTMLInputElement).checked = true;
    for (const [column, top] of tops) {
      const cards = board.querySelector(`.col[data-column="${column}"] .cards`);
      if (cards) cards.scrollTop = top;
    }
    const heir = focused ? byId(focused) : null;
    if (heir) focusTitle(heir);
  } catch {
    // The board is fetched again when the connection is back.
  } finally {
    if (number === drawing) area.removeAttribute("aria-busy");
  }
}

document.addEventListener("pointermove", () => { pointerMovedAt = Date.now(); }, { passive: true });
