/* Moving cards to another column or to another rank in their own: by dragging, by keys, by the menu.

   Within its column a card moves at once; then its new neighbours are sent to the server. These requests go out one
   after the other. If the server refuses one, the board is fetched again. */
import { byId, say } from "./page.js";
import { answeredAt, area, between, held, redraw, refreshMine } from "./board_cards.js";
import { act, closeMenu } from "./board_menu.js";

let sending = Promise.resolve();
const lastOf = new Map(); // task → the last request that was sent for it

/** Send the server the column of a card and, if the user chose its rank there, its neighbours. */
function sendMove(card, column, { upper, lower } = {}, options = {}) {
  const body = new FormData();
  body.set("to", column);
  body.set("csrfmiddlewaretoken", area.dataset.token);
  if (upper) body.set("below", upper.dataset.task);
  if (lower) body.set("above", lower.dataset.task);
  answeredAt.set(card.dataset.task, Infinity);
  const sent = sending.then(() => act(card.dataset.move, body, options));
  sending = sent;
  lastOf.set(card.dataset.task, sent);
  return sent.finally(() => { if (lastOf.get(card.dataset.task) === sent) answeredAt.set(card.dataset.task, performance.now()); });
}

/**
 * Move a card before another element of its column, and save its new rank on the server.
 * @param {HTMLElement} card
 * @param {Element | null} before
 */
async function moveBefore(card, before) {
  const cards = card.parentElement;
  const focused = card.contains(document.activeElement) ? document.activeElement : null;
  cards.insertBefore(card, before);
  focused?.focus({ preventScroll: true });
  card.scrollIntoView({ block: "nearest" });
  const all = [...cards.querySelectorAll(".card")];
  say(`Position ${all.indexOf(card) + 1} of ${byId(`h-${card.dataset.column}`).nextElementSibling.textContent}.`);
  const beside = between(card.previousElementSibling, card.nextElementSibling);
  if (await sendMove(card, card.dataset.column, beside, { silent: true })) refreshMine(card.dataset.task);
  else redraw();
}

/**
 * Move a card up or down by one, or to the top. Do nothing if it is already there.
 * @param {HTMLElement} card
 * @param {"up" | "down" | "top"} direction
 */
export function step(card, direction) {
  if (!card || !("sorts" in card.dataset)) return;
  const all = [...card.parentElement.querySelectorAll(".card")];
  const at = all.indexOf(card);
  if (direction === "top" && at > 0) moveBefore(card, all[0]);
  if (direction === "up" && at > 0) moveBefore(card, all[at - 1]);
  if (direction === "down" && at < all.length - 1) moveBefore(card, all[at + 1].nextElementSibling);
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("#card-menu [data-step]");
  if (!button) return;
  const card = byId(`card-${byId("card-menu").dataset.of}`);
  closeMenu();
  step(card, button.dataset.step);
});

// ── Drag and drop ────────────────────────────────────────────────────
const marker = Object.assign(document.createElement("div"), { className: "card-drop" });

/** Return the column under the pointer if it accepts the dragged card, otherwise null. */
function target(event) {
  const column = event.target.closest?.(".col");
  if (!held.card || !column) return null;
  const accepts = column.dataset.column === held.card.dataset.column ? "sorts" in held.card.dataset : held.card.dataset.to.split(" ").includes(column.dataset.column);
  return accepts ? column : null;
}

/** Return the element before which the dragged card would go; where the drop starts a run, that is the top. */
function placeAt(column, y) {
  const cards = column.querySelector(".cards");
  const all = [...cards.querySelectorAll(".card")].filter((card) => card !== held.card);
  if (isRun(column)) return all[0] ?? cards.firstChild;
  const next = all.find((card) => {
    const { top, height } = card.getBoundingClientRect();
    return y < top + height / 2;
  });
  return next ?? cards.querySelector(".col-more, .col-empty");
}

const isRun = (column) => column.dataset.column === "in_progress" && column.dataset.column !== held.card.dataset.column;

document.addEventListener("dragstart", (event) => {
  const card = event.target.closest?.(".card[draggable=true]");
  if (!card) return;
  held.card = card;
  event.dataTransfer.effectAllowed = "move";
  event.dataTransfer.setData("text/plain", card.querySelector(".card-title").textContent.trim());
  requestAnimationFrame(() => card.classList.add("is-dragging"));
});
document.addEventListener("dragover", (event) => {
  const column = target(event);
  if (!column) return marker.remove();
  event.preventDefault();
  event.dataTransfer.dropEffect = "move";
  if (event.target === marker) return;
  const next = placeAt(column, event.clientY);
  if (marker.nextSibling !== next || marker.parentElement !== next.parentElement) next.before(marker);
});
document.addEventListener("drop", async (event) => {
  const column = target(event);
  if (!column) return;
  event.preventDefault();
  const card = held.card;
  const next = marker.parentElement ? marker.nextElementSibling : placeAt(column, event.clientY);
  const beside = isRun(column) ? {} : between(next.previousElementSibling, next);
  marker.remove();
  held.card = null;
  card.classList.remove("is-dragging");
  if (column.dataset.column !== card.dataset.column) await sendMove(card, column.dataset.column, beside);
  else if (next !== card.nextElementSibling) return moveBefore(card, next);
  refreshMine(card.dataset.task);
});
document.addEventListener("dragend", () => {
  held.card?.classList.remove("is-dragging");
  held.card = null;
  marker.remove();
});
