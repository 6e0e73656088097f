// @ts-check
/* A text field with a list of known values: the user filters the list by typing, chooses with the arrow keys and Enter
   or with the mouse, or types any other value. Without this script the browser shows the list (`datalist`). */
import { byId } from "./dom.js";
import Combobox from "./vendor/combobox-nav-3.0.2.js";

const MOST = 50; // values that are shown at once

/** @type {{ field: HTMLInputElement, box: HTMLUListElement, combobox: Combobox } | null} */
let open = null;

document.addEventListener("focusin", ({ target }) => { if (isField(target)) takeOver(target); });
document.addEventListener("input", ({ target }) => { if (isField(target)) offer(target, target.value); });
document.addEventListener("click", ({ target }) => { if (isField(target) && !open) offer(target, ""); });
document.addEventListener("focusout", close);
document.addEventListener("keydown", onKey, true);

/**
 * @param {EventTarget | null} target
 * @returns {target is HTMLInputElement}
 */
function isField(target) {
  return target instanceof HTMLInputElement && Boolean(target.getAttribute("list") || target.dataset.list);
}

/**
 * Keep the browser from showing its own list.
 * @param {HTMLInputElement} field
 */
function takeOver(field) {
  const list = field.getAttribute("list");
  if (!list) return;
  field.dataset.list = list;
  field.removeAttribute("list");
}

/**
 * Show the values that contain all words of the text.
 * @param {HTMLInputElement} field
 * @param {string} text
 */
function offer(field, text) {
  takeOver(field);
  close();
  const list = byId(field.dataset.list ?? "");
  const values = [...(list?.querySelectorAll("option") ?? [])].map((option) => option.value);
  const words = text.toLowerCase().split(/\s+/u).filter(Boolean);
  const found = values.filter((value) => words.every((word) => value.toLowerCase().includes(word)));
  if (!found.length || (found.length === 1 && found[0] === field.value)) return;
  const box = document.createElement("ul");
  Object.assign(box, { className: "pop choices-pop", id: `${field.id}-pop` });
  box.setAttribute("role", "listbox");
  box.setAttribute("aria-label", "Known values");
  box.append(...found.slice(0, MOST).map(optionOf));
  if (found.length > MOST) box.append(rest(found.length - MOST));
  box.addEventListener("mousedown", (event) => event.preventDefault()); // the field keeps the focus
  box.addEventListener("combobox-commit", ({ target }) => {
    if (!(target instanceof HTMLElement)) return;
    field.value = target.dataset.value ?? "";
    close();
    field.dispatchEvent(new Event("change", { bubbles: true }));
  });
  field.insertAdjacentElement("afterend", box);
  open = { field, box, combobox: new Combobox(field, box) };
  open.combobox.start();
}

function close() {
  open?.combobox.destroy();
  open?.box.remove();
  open = null;
}

/** @param {KeyboardEvent} event */
function onKey(event) {
  if (event.isComposing || !isField(event.target)) return;
  if (event.key === "ArrowDown" && !open) {
    offer(event.target, "");
    event.preventDefault();
  } else if (event.key === "Escape" && open) {
    close();
    event.preventDefault();
    event.stopPropagation();
  }
}

/** @param {string} value */
function optionOf(value) {
  const item = document.createElement("li");
  Object.assign(item, { className: "item", textContent: value, role: "option" });
  item.dataset.value = value;
  return item;
}

/** @param {number} number */
function rest(number) {
  const item = document.createElement("li");
  Object.assign(item, { className: "choices-rest", textContent: `${number} more: type to filter` });
  return item;
}
