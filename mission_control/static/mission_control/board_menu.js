/* The actions of a card: send them to the server, and show the menu that offers them. */
import { UNREACHABLE, byId, fetchFragment, parse, reasonOf, toast } from "./page.js";
import { refreshMine, refreshSlots } from "./board_cards.js";

// ── Actions ──────────────────────────────────────────────────────────
/**
 * Send an action and show a toast with its result. With `silent`, show only failures.
 * @param {string} url
 * @param {FormData} body
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
  const form = event.target.closest("form[data-acts]");
  if (!form) return;
  event.preventDefault();
  const task = form.closest("#card-menu")?.dataset.of;
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
  const menu = byId("card-menu");
  const task = button.closest(".card").dataset.task;
  if (menu.matches(":popover-open") && menu.dataset.of === task) return closeMenu();
  try {
    const response = await fetchFragment(button.dataset.menu);
    if (response.status === 401) return;
    if (!response.ok) return location.assign(button.href);
    menu.replaceChildren(parse(await response.text()));
  } catch {
    return location.assign(button.href);
  }
  menu.dataset.of = task;
  offerSteps(menu, button.closest(".card"));
  menu.showPopover();
  const [place, size] = [button.getBoundingClientRect(), menu.getBoundingClientRect()];
  const below = place.bottom + 4 + size.height <= innerHeight - 8;
  menu.style.top = `${Math.max(below ? place.bottom + 4 : place.top - 4 - size.height, 8)}px`;
  menu.style.left = `${Math.max(Math.min(place.right - size.width, innerWidth - size.width - 8), 8)}px`;
  (menu.querySelector(part) ?? menu.querySelector("a, button"))?.focus();
}

/** Hide the steps that would move nothing: the first card cannot go up, the last one cannot go down. */
function offerSteps(menu, card) {
  const all = [...card.parentElement.querySelectorAll(".card")];
  for (const button of menu.querySelectorAll("[data-step]")) {
    button.hidden = button.dataset.step === "down" ? all.at(-1) === card : all[0] === card;
  }
}

/** Close the menu; if it had the focus, give the focus back to the button that opened it. */
export function closeMenu() {
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
  const items = [...byId("card-menu").querySelectorAll("a, button:not([hidden])")];
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (step) items[(items.indexOf(document.activeElement) + step + items.length) % items.length].focus();
  else if (event.key === "Escape" || event.key === "Tab") closeMenu();
  else return;
  event.preventDefault();
  event.stopPropagation();
});

