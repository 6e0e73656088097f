// @ts-check
/* The actions of a card: send them to the server, and show the menu that offers them. */
import { all, closest, required } from "./dom.js";
import { UNREACHABLE, fetchFragment, parse, reasonOf, toast } from "./page.js";
import { refreshMine, refreshSlots } from "./board_cards.js";

// ── Actions ──────────────────────────────────────────────────────────
/**
 * Send an action and show a toast with its result. With `silent`, show only failures.
 * @param {string} url
 * @param {FormData} body
 * @param {{silent?: boolean}} [options]
 * @returns {Promise<boolean>} whether the action succeeded
 */
export async function act(url, body, { silent = false } = {}) {
  let isDone = false;
  try {
    const response = await fetchFragment(url, { method: "POST", body, keepalive: true });
    const message = decodeURIComponent(response.headers.get("X-Said") ?? "");
    isDone = response.ok;
    if (isDone && !silent) toast(message);
    if (!isDone) toast(message || reasonOf(response), { status: "warn" });
  } catch {
    toast(UNREACHABLE, { status: "error" });
  }
  if (!silent) refreshSlots();
  return isDone;
}

document.addEventListener("submit", async (event) => {
  const form = closest(event.target, "form[data-acts]", HTMLFormElement);
  if (!form) return;
  event.preventDefault();
  const task = closest(form, "#card-menu")?.dataset.of;
  const body = new FormData(form, event.submitter);
  event.submitter?.setAttribute("aria-busy", "true");
  closeMenu();
  await act(form.action, body);
  event.submitter?.removeAttribute("aria-busy");
  if (task) refreshMine(task);
});

// ── The menu of a card, in the top layer: a column would cut it off ──
/**
 * Open the menu of a card, or close it if it is open, and focus its first control that matches `part`.
 * @param {HTMLAnchorElement} button
 * @param {string} [part] a selector
 */
export async function openMenu(button, part = "a, button") {
  const menu = required("card-menu");
  const card = closest(button, ".card");
  const [task, path] = [card?.dataset.task, button.dataset.menu];
  if (!card || !task || !path) return;
  if (menu.matches(":popover-open") && menu.dataset.of === task) return closeMenu();
  try {
    const response = await fetchFragment(path);
    if (response.status === 401) return;
    if (!response.ok) return location.assign(button.href);
    menu.replaceChildren(parse(await response.text()));
  } catch {
    return location.assign(button.href);
  }
  menu.dataset.of = task;
  offerSteps(menu, card);
  menu.showPopover();
  const [place, size] = [button.getBoundingClientRect(), menu.getBoundingClientRect()];
  const below = place.bottom + 4 + size.height <= innerHeight - 8;
  menu.style.top = `${Math.max(below ? place.bottom + 4 : place.top - 4 - size.height, 8)}px`;
  menu.style.left = `${Math.max(Math.min(place.right - size.width, innerWidth - size.width - 8), 8)}px`;
  (all(menu, part)[0] ?? all(menu, "a, button")[0])?.focus();
}

/**
 * Hide the steps that would move nothing: the first card cannot go up, the last one cannot go down.
 * @param {HTMLElement} menu
 * @param {HTMLElement} card
 */
function offerSteps(menu, card) {
  const cards = all(card.parentElement ?? card, ".card");
  for (const button of all(menu, "[data-step]")) {
    button.hidden = button.dataset.step === "down" ? cards.at(-1) === card : cards[0] === card;
  }
}

/** Close the menu; if it had the focus, give the focus back to the button that opened it. */
export function closeMenu() {
  const menu = required("card-menu");
  if (!menu.matches(":popover-open")) return;
  const had = menu.contains(document.activeElement);
  menu.hidePopover();
  if (had) all(document, `#card-${menu.dataset.of} [data-key=menu]`)[0]?.focus({ preventScroll: true });
}

document.addEventListener("click", (event) => {
  const button = closest(event.target, "[data-menu]", HTMLAnchorElement);
  if (!button || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  openMenu(button);
});
required("card-menu").addEventListener("keydown", (event) => {
  const items = all(required("card-menu"), "a, button:not([hidden])");
  const at = items.findIndex((item) => item === document.activeElement);
  const step = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
  if (step) items[(at + step + items.length) % items.length].focus();
  else if (event.key === "Escape" || event.key === "Tab") closeMenu();
  else return;
  event.preventDefault();
  event.stopPropagation();
});

