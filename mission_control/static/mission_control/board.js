/* The board: frames, filters, keys. Cards, slots, menus and the order of cards have their own files. */
import { areOn } from "./keys.js";
import { byId, parse } from "./page.js";
import { dependents, query, redraw, refresh, refreshSlots } from "./board_cards.js";
import { openMenu } from "./board_menu.js";
import { step } from "./board_order.js";
import { showLines } from "./board_slots.js";

// ── Frames ───────────────────────────────────────────────────────────
const waitingCards = document.getElementsByClassName("is-waiting");

document.addEventListener("mc:frame", ({ detail: { event_type: name, data } }) => {
  if (name === "page_lines") return showLines(data.lines);
  if (name === "mc_task_updated") refresh(data.task.id, ...dependents(data.task.id, data.task.blocks));
  if (name === "mc_activity_created") takeActivity(data.activity);
  if (name === "mc_task_started" || name === "mc_task_completed") {
    refreshSlots();
    if (data.task_id) refresh(data.task_id, ...dependents(data.task_id));
  }
  if (name === "mc_capacity") {
    refreshSlots();
    refresh(...[...waitingCards].map((card) => card.dataset.task)); // they have moved up in the queue
  }
});

/** Update the board after a moved card, a deleted task or a deleted project: only the activity frame names these. */
function takeActivity({ task_id: task, metadata }) {
  if (metadata.placed) refresh(task);
  if (metadata.deleted_task) refresh(metadata.deleted_task, ...dependents(metadata.deleted_task));
  if (metadata.deleted_project) redraw();
}

document.addEventListener("mc:wake", ({ detail: names }) => {
  if (!names.has("mc:missed")) return;
  redraw();
  refreshSlots();
});

// ── Filters ──────────────────────────────────────────────────────────
let typing = null;

/** Apply the filters: put them in the address and in the link to a new task, then fetch the board. */
function filter() {
  const asked = query().toString();
  const board = byId("filters").action;
  history.replaceState(null, "", asked ? `${board}?${asked}` : board);
  byId("clear").hidden = !asked;
  const make = byId("new-task");
  const project = new FormData(byId("filters")).get("project");
  if (make) make.href = project ? `${make.dataset.plain}?project=${project}` : make.dataset.plain;
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

// ── Keys ─────────────────────────────────────────────────────────────
document.addEventListener("keydown", (event) => {
  const card = event.target.closest?.(".card");
  if (!card || event.ctrlKey || event.metaKey || event.altKey) return;
  const places = { ArrowUp: "up", ArrowDown: "down", Home: "top" };
  if (event.shiftKey && places[event.key]) {
    event.preventDefault();
    return step(card, places[event.key]);
  }
  const next = { ArrowDown: () => beside(card, 1), ArrowUp: () => beside(card, -1), ArrowRight: () => across(card, 1), ArrowLeft: () => across(card, -1) }[event.key];
  if (next) next()?.querySelector("[data-key=title]")?.focus();
  else if (areOn() && (event.key === "." || event.key.toLowerCase() === "m")) openMenu(card.querySelector("[data-menu]"), event.key === "." ? undefined : "[name=to]");
  else if (event.key === " " && event.target.matches("[data-menu]")) openMenu(event.target);
  else return;
  event.preventDefault();
});

/**
 * Return the card `step` positions further down in the same column.
 * @param {HTMLElement} card
 * @param {number} step
 */
function beside(card, step) {
  const cards = [...card.closest(".cards").querySelectorAll(".card")];
  return cards[cards.indexOf(card) + step];
}

/**
 * Return the card at the same height in another column, `step` columns to the right. Empty columns do not count.
 * @param {HTMLElement} card
 * @param {number} step
 */
function across(card, step) {
  const columns = [...document.querySelectorAll(".col")].filter((col) => col.offsetParent && col.querySelector(".card"));
  const at = columns.indexOf(card.closest(".col"));
  const column = columns[at + step];
  if (!column) return null;
  const top = card.getBoundingClientRect().top;
  const distance = (other) => Math.abs(other.getBoundingClientRect().top - top);
  return [...column.querySelectorAll(".card")].reduce((best, other) => (distance(other) < distance(best) ? other : best));
}

// ── More cards of a column: skip those already on the board ──────────
document.body.addEventListener("htmx:beforeSwap", (event) => {
  if (!event.detail.elt?.classList?.contains("col-more") && !event.target.classList?.contains("col-more")) return;
  const holder = document.createElement("div");
  holder.append(parse(event.detail.serverResponse));
  for (const card of holder.querySelectorAll(".card")) if (byId(card.id)) card.remove();
  event.detail.serverResponse = holder.innerHTML;
});
