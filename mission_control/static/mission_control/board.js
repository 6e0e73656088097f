// @ts-check
/* The board: frames, filters, keys. Cards, slots, menus and the order of cards have their own files. */
import { areOn } from "./keys.js";
import { all, byId, closest, required, requiredIn } from "./dom.js";
import { parse } from "./page.js";
import { cardsIn, dependents, query, redraw, refresh, refreshSlots, taskOf } from "./board_cards.js";
import { openMenu } from "./board_menu.js";
import { step } from "./board_order.js";
import { showLines } from "./board_slots.js";

// ── Frames ───────────────────────────────────────────────────────────
const waitingCards = /** @type {HTMLCollectionOf<HTMLElement>} */ (document.getElementsByClassName("is-waiting"));

document.addEventListener("mc:frame", ({ detail: { event_type: name, data } }) => {
  if (name === "page_lines") return showLines(data.lines);
  if (name === "mc_task_updated") refresh(data.task.id, ...dependents(data.task.id, data.task.blocks));
  if (name === "mc_question_created" || name === "mc_question_answered") {
    refreshSlots();
    if (data.question.task_id) refresh(data.question.task_id);
  }
  if (name === "mc_activity_created") takeActivity(data.activity);
  if (name === "mc_task_started" || name === "mc_task_completed" || name === "mc_run_parked" || name === "mc_run_resumed") {
    refreshSlots();
    if (data.task_id) refresh(data.task_id, ...dependents(data.task_id));
  }
  if (name === "mc_capacity") {
    refreshSlots();
    refresh(...[...waitingCards].map(taskOf)); // they have moved up in the queue
  }
});

/**
 * Update the board after a moved card, a deleted task or a deleted project: only the activity frame names these.
 * @param {Activity} activity
 */
function takeActivity({ task_id: task, metadata }) {
  if (metadata.placed && task) refresh(task);
  if (metadata.deleted_task) refresh(metadata.deleted_task, ...dependents(metadata.deleted_task));
  if (metadata.deleted_project) redraw();
}

document.addEventListener("mc:wake", ({ detail: names }) => {
  if (!names.has("mc:missed")) return;
  redraw();
  refreshSlots();
});

// ── Filters ──────────────────────────────────────────────────────────
/** @type {ReturnType<typeof setTimeout> | undefined} */
let typing;

const filters = () => required("filters", HTMLFormElement);

/** Apply the filters: put them in the address and in the link to a new task, then fetch the board. */
function filter() {
  const asked = query().toString();
  const board = filters().action;
  history.replaceState(null, "", asked ? `${board}?${asked}` : board);
  required("clear").hidden = !asked;
  const make = byId("new-task");
  const project = new FormData(filters()).get("project");
  if (make instanceof HTMLAnchorElement) make.href = `${make.dataset.plain}${project ? `?project=${project}` : ""}`;
  redraw();
}

filters().addEventListener("submit", (event) => {
  event.preventDefault();
  filter();
});
filters().addEventListener("change", filter);
required("q").addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(filter, 250);
});
required("clear").addEventListener("click", (event) => {
  event.preventDefault();
  for (const field of all(filters(), "input[name]", HTMLInputElement)) field.value = "";
  for (const field of all(filters(), "select[name]", HTMLSelectElement)) field.value = "";
  filter();
});

// ── Keys ─────────────────────────────────────────────────────────────
/** @type {Map<string, "up" | "down" | "top">} */
const STEPS = new Map([["ArrowUp", "up"], ["ArrowDown", "down"], ["Home", "top"]]);

/** @type {Map<string, (card: HTMLElement) => HTMLElement | null>} */
const NEIGHBOURS = new Map([
  ["ArrowDown", (card) => beside(card, 1)],
  ["ArrowUp", (card) => beside(card, -1)],
  ["ArrowRight", (card) => across(card, 1)],
  ["ArrowLeft", (card) => across(card, -1)],
]);

document.addEventListener("keydown", (event) => {
  const card = closest(event.target, ".card");
  if (!card || event.ctrlKey || event.metaKey || event.altKey) return;
  const direction = STEPS.get(event.key);
  const next = NEIGHBOURS.get(event.key);
  const [menu] = all(card, "[data-menu]", HTMLAnchorElement);
  if (event.shiftKey && direction) step(card, direction);
  else if (next) focusOn(next(card));
  else if (menu && areOn() && event.key === ".") openMenu(menu);
  else if (menu && areOn() && event.key.toLowerCase() === "m") openMenu(menu, "[name=to]");
  else if (menu && event.key === " " && event.target === menu) openMenu(menu);
  else return;
  event.preventDefault();
});

/**
 * Focus the title of a card.
 * @param {HTMLElement | null} card
 */
function focusOn(card) {
  if (card) requiredIn(card, "[data-key=title]").focus();
}

/**
 * Return the card so many positions further down in the same column, or null.
 * @param {HTMLElement} card
 * @param {number} offset
 */
function beside(card, offset) {
  const cards = card.parentElement ? cardsIn(card.parentElement) : [];
  return cards[cards.indexOf(card) + offset] ?? null;
}

/**
 * Return the card at the same height so many columns to the right, or null. Empty columns do not count.
 * @param {HTMLElement} card
 * @param {number} offset
 */
function across(card, offset) {
  const columns = all(document, ".col").filter((col) => col.offsetParent && col.querySelector(".card"));
  const column = columns[columns.findIndex((col) => col.contains(card)) + offset];
  if (!column) return null;
  const top = card.getBoundingClientRect().top;
  /** @param {HTMLElement} other */
  const distance = (other) => Math.abs(other.getBoundingClientRect().top - top);
  return cardsIn(column).reduce((best, other) => (distance(other) < distance(best) ? other : best));
}

// ── More cards of a column: skip those already on the board ──────────
document.body.addEventListener("htmx:beforeSwap", (event) => {
  if (![event.detail.elt, event.target].some((one) => one instanceof Element && one.matches(".col-more"))) return;
  const holder = document.createElement("div");
  holder.append(parse(event.detail.serverResponse));
  for (const card of holder.querySelectorAll(".card")) if (byId(card.id)) card.remove();
  event.detail.serverResponse = holder.innerHTML;
});
