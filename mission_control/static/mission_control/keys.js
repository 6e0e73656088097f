// @ts-check
/* Keyboard shortcuts. The help sheet can switch off those of a single key for this browser, because users who
   dictate, or whose hand rests on the keys, would trigger them by accident (WCAG 2.1.4). */
import { all, byId, closest, required, requiredIn } from "./dom.js";
import { openDialog } from "./page.js";
import { openPalette } from "./palette.js";

const SWITCH = "mc-keys";

/**
 * Tell whether shortcuts of a single key are on.
 * @returns {boolean}
 */
export function areOn() {
  try {
    return localStorage.getItem(SWITCH) !== "off";
  } catch {
    return true; // the browser blocks storage
  }
}

/** Show the current state in the switches of the help sheet. */
function showSwitch() {
  for (const box of all(document, "[data-keys-switch]", HTMLInputElement)) {
    box.checked = areOn();
    for (const label of box.labels ?? []) label.hidden = false;
  }
}

document.addEventListener("change", ({ target }) => {
  const box = closest(target, "[data-keys-switch]", HTMLInputElement);
  if (!box) return;
  try {
    localStorage.setItem(SWITCH, box.checked ? "on" : "off");
  } finally {
    showSwitch();
  }
});
addEventListener("storage", showSwitch);
showSwitch();

/**
 * Return the link to the page that a key leads to after G.
 * @param {string} key
 */
const linkOf = (key) => all(document, `a[data-go="${CSS.escape(key)}"]`, HTMLAnchorElement)[0];
const newTask = () => all(document, "#new-task", HTMLAnchorElement)[0]?.href ?? document.body.dataset.newTask;
const FIELDS = "input:not([type=checkbox], [type=radio]), select, textarea, [contenteditable]";
let waitsSince = 0; // when G was pressed, which waits for a second key

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") closeMenus(event);
  if ((event.ctrlKey || event.metaKey) && !event.shiftKey && !event.altKey && event.key.toLowerCase() === "k") {
    event.preventDefault();
    return openPalette();
  }
  if (!areOn() || event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  if (document.querySelector("dialog[open]") || closest(event.target, FIELDS)) return;
  const key = event.key.toLowerCase();
  const link = Date.now() - waitsSince < 1500 ? linkOf(key) : undefined;
  waitsSince = key === "g" ? Date.now() : 0;
  if (link) return location.assign(link.href);
  const path = newTask();
  if (event.key === "?") required("keys", HTMLDialogElement).showModal();
  else if (key === "n" && path) openDialog(path);
  else if (key === "/") focusSearch();
  else return;
  event.preventDefault();
});

/** Focus the search field of the page, or open the palette if it has none. */
function focusSearch() {
  const field = byId("q");
  if (field) field.focus();
  else openPalette();
}

/**
 * Close the open menu and focus its button.
 * @param {KeyboardEvent} event
 */
function closeMenus(event) {
  const open = "details.menu[open]";
  const menu = closest(event.target, open, HTMLDetailsElement) ?? all(document, open, HTMLDetailsElement)[0];
  if (!menu) return;
  menu.open = false;
  requiredIn(menu, "summary").focus();
  event.preventDefault();
}
