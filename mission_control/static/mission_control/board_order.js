// @ts-check
/* Moving cards to another column or to another rank in their own: by dragging, by keys, by the menu.

   Within its column a card moves at once; then its new neighbours are sent to the server. These requests go out one
   after the other. If the server refuses one, the board is fetched again. */
import { byId, closest, required, requiredIn } from "./dom.js";
import { say } from "./page.js";
import { answeredAt, area, between, cardsIn, columnOf, held, redraw, refreshMine, taskOf } from "./board_cards.js";
import { act, closeMenu } from "./board_menu.js";

/** @typedef {{upper?: HTMLElement | null, lower?: HTMLElement | null}} Neighbours */

/** @type {Promise<unknown>} */
let sending = Promise.resolve();
/**
 * By task, the last request that was sent for it.
 * @type {Map<string, Promise<boolean>>}
 */
const lastOf = new Map();

/**
 * Send the server the column of a card and, if the user chose its rank there, its neighbours.
 * @param {HTMLElement} card
 * @param {string} column
 * @param {Neighbours} [neighbours]
 * @param {{silent?: boolean}} [options]
 */
function sendMove(card, column, { upper, lower } = {}, options = {}) {
  const [task, path] = [taskOf(card), card.dataset.move ?? ""];
  const body = new FormData();
  body.set("to", column);
  body.set("csrfmiddlewaretoken", area.dataset.token ?? "");
  if (upper) body.set("below", taskOf(upper));
  if (lower) body.set("above", taskOf(lower));
  answeredAt.set(task, Infinity);
  const sent = sending.then(() => act(path, body, options));
  sending = sent;
  lastOf.set(task, sent);
  return sent.finally(() => { if (lastOf.get(task) === sent) answeredAt.set(task, performance.now()); });
}

/**
 * Move a card before another element of its column, and save its new rank on the server.
 * @param {HTMLElement} card
 * @param {Element | null} before
 */
async function moveBefore(card, before) {
  const focused = card.contains(document.activeElement) ? document.activeElement : null;
  card.parentElement?.insertBefore(card, before);
  if (focused instanceof HTMLElement) focused.focus({ preventScroll: true });
  card.scrollIntoView({ block: "nearest" });
  const count = required(`h-${columnOf(card)}`).nextElementSibling;
  say(`Position ${cardsBeside(card).indexOf(card) + 1} of ${count?.textContent}.`);
  const beside = between(card.previousElementSibling, card.nextElementSibling);
  if (await sendMove(card, columnOf(card), beside, { silent: true })) refreshMine(taskOf(card));
  else redraw();
}

/**
 * Move a card up or down by one, or to the top. Do nothing if it is already there.
 * @param {HTMLElement} card
 * @param {"up" | "down" | "top"} direction
 */
export function step(card, direction) {
  if (!("sorts" in card.dataset)) return;
  const cards = cardsBeside(card);
  const at = cards.indexOf(card);
  if (direction === "top" && at > 0) moveBefore(card, cards[0]);
  if (direction === "up" && at > 0) moveBefore(card, cards[at - 1]);
  if (direction === "down" && at < cards.length - 1) moveBefore(card, cards[at + 1].nextElementSibling);
}

/**
 * Return the cards of a card's column, from the top.
 * @param {HTMLElement} card
 */
const cardsBeside = (card) => (card.parentElement ? cardsIn(card.parentElement) : []);

document.addEventListener("click", (event) => {
  const button = closest(event.target, "#card-menu [data-step]");
  if (!button) return;
  const card = byId(`card-${required("card-menu").dataset.of}`);
  closeMenu();
  if (card) step(card, /** @type {"up" | "down" | "top"} */ (button.dataset.step));
});

// ── Drag and drop ────────────────────────────────────────────────────
const marker = Object.assign(document.createElement("div"), { className: "card-drop" });

/**
 * Return the dragged card and the column under the pointer if it accepts this card, otherwise null.
 * @param {DragEvent} event
 */
function target(event) {
  const [card, column] = [held.card, closest(event.target, ".col")];
  if (!card || !column) return null;
  const isSame = columnOf(column) === columnOf(card);
  const accepts = isSame ? "sorts" in card.dataset : card.dataset.to?.split(" ").includes(columnOf(column));
  return accepts ? { card, column } : null;
}

/**
 * Return the element before which the dragged card would go; where the drop starts a run, that is the top.
 * @param {HTMLElement} card
 * @param {HTMLElement} column
 * @param {number} y
 */
function placeAt(card, column, y) {
  const cards = requiredIn(column, ".cards");
  const others = cardsIn(cards).filter((other) => other !== card);
  if (isRun(card, column)) return others[0] ?? cards.firstElementChild;
  const next = others.find((other) => {
    const { top, height } = other.getBoundingClientRect();
    return y < top + height / 2;
  });
  return next ?? cards.querySelector(".col-more, .col-empty");
}

/**
 * Tell whether a card starts a run if it is dropped in a column.
 * @param {HTMLElement} card
 * @param {HTMLElement} column
 */
const isRun = (card, column) => columnOf(column) === "in_progress" && columnOf(column) !== columnOf(card);

document.addEventListener("dragstart", (event) => {
  const card = closest(event.target, ".card[draggable=true]");
  if (!card || !event.dataTransfer) return;
  held.card = card;
  event.dataTransfer.effectAllowed = "move";
  event.dataTransfer.setData("text/plain", (requiredIn(card, ".card-title").textContent ?? "").trim());
  requestAnimationFrame(() => card.classList.add("is-dragging"));
});
document.addEventListener("dragover", (event) => {
  const found = target(event);
  if (!found) return marker.remove();
  event.preventDefault();
  if (event.dataTransfer) event.dataTransfer.dropEffect = "move";
  if (event.target === marker) return;
  const next = placeAt(found.card, found.column, event.clientY);
  if (marker.nextSibling !== next || marker.parentElement !== next?.parentElement) next?.before(marker);
});
document.addEventListener("drop", async (event) => {
  const found = target(event);
  if (!found) return;
  event.preventDefault();
  const { card, column } = found;
  const next = marker.parentElement ? marker.nextElementSibling : placeAt(card, column, event.clientY);
  const beside = isRun(card, column) ? {} : between(next?.previousElementSibling ?? null, next);
  marker.remove();
  held.card = null;
  card.classList.remove("is-dragging");
  if (columnOf(column) !== columnOf(card)) await sendMove(card, columnOf(column), beside);
  else if (next !== card.nextElementSibling) return moveBefore(card, next);
  refreshMine(taskOf(card));
});
document.addEventListener("dragend", () => {
  held.card?.classList.remove("is-dragging");
  held.card = null;
  marker.remove();
});
