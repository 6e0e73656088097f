// @ts-check
/* Drafts: text that was typed and not sent is never lost silently.

   Each form that takes text stores the values that differ from its first ones in `sessionStorage`, which belongs to
   this tab and ends with it. They are restored when the form is shown again: after a reload, after a login, after
   its dialog was closed. A draft belongs to one user: the drafts of other users are removed, and logging out removes
   all. Passwords, files and hidden fields are never stored. The exception is `basis`, from which the server sees
   that another user has changed the same text since. */
import { all, byId, closest, copyOf, requiredIn } from "./dom.js";
import { fetchFragment } from "./page.js";
import { OWNER, keys, read, remove, write } from "./draft_store.js";

const SAVE_MS = 250;
const TYPES = "[type=text], [type=search], [type=url], [type=email], [type=tel], [type=number], [type=date]";
const TEXT = `textarea, input:is(${TYPES}), input:not([type])`;
const SECRET = "[type=password], [type=file], [type=hidden], [autocomplete*=password]";
const NO_TEXT = "[type=submit], [type=button], [readonly], [data-submits]";
const ERRORS = "[data-conflict], [aria-invalid=true], .err, .notice[role=alert]";
const channel = new BroadcastChannel("mc-logout"); // draft_refused.js posts to it

/** @typedef {import("./draft_store.js").Draft} Draft */
/** @typedef {HTMLInputElement | HTMLTextAreaElement | HTMLSelectElement} Field */
/** @typedef {Record<string, string[]>} Values the values of a form by the name of their field */

/**
 * Tell whether a form takes text and changes something when it is sent.
 * @param {HTMLFormElement} form
 */
const takesText = (form) => form.method === "post" && !("noDraft" in form.dataset) && fields(form).some((field) => field.matches(TEXT));

/**
 * Return the fields of a form that a draft may contain.
 * @param {HTMLFormElement} form
 */
function fields(form) {
  return [...form.elements].filter(isField).filter((field) => field.name && !field.matches(`${SECRET}, ${NO_TEXT}`));
}

/**
 * @param {Element | RadioNodeList | null} element
 * @returns {element is Field}
 */
const isField = (element) => [HTMLInputElement, HTMLTextAreaElement, HTMLSelectElement].some((kind) => element instanceof kind);

/**
 * Return the field of a form with a name that only one field has.
 * @param {HTMLFormElement} form
 * @param {string} name
 */
function fieldOf(form, name) {
  const field = form.elements.namedItem(name);
  return isField(field) ? field : null;
}

/**
 * Return the key of a form's draft: the address that it is sent to, and which of the forms for that address it is.
 * @param {HTMLFormElement} form
 */
function keyOf(form) {
  const { pathname, search } = new URL(form.getAttribute("action") || location.href, location.href);
  const which = form.id || [fieldOf(form, "kind")?.value, ...new Set(fields(form).map((field) => field.name))].join();
  return `${pathname}${search} ${which}`;
}

// ── The values of a form ─────────────────────────────────────────────
/**
 * @param {Field} field
 * @returns {field is HTMLInputElement}
 */
const isTicked = (field) => field.matches("[type=checkbox], [type=radio]");

/**
 * Return the values of a form by field name.
 * @param {HTMLFormElement} form
 * @param {boolean} isFirst take the values from the page's markup instead of the current ones
 */
function valuesOf(form, isFirst) {
  /** @type {Values} */
  const found = {};
  for (const field of fields(form)) {
    const values = (found[field.name] ??= []);
    if (isTicked(field)) {
      if (isFirst ? field.defaultChecked : field.checked) values.push(field.value);
    } else if (field instanceof HTMLSelectElement) {
      const first = [...field.options].filter((option) => option.defaultSelected);
      const chosen = isFirst ? (first.length || field.multiple ? first : [...field.options].slice(0, 1)) : [...field.selectedOptions];
      values.push(...chosen.map((option) => option.value));
    } else {
      values.push((isFirst ? field.defaultValue : field.value).replaceAll("\r\n", "\n"));
    }
  }
  return found;
}

/**
 * The first values of each form; fields that are added later count as empty at first.
 * @type {WeakMap<HTMLFormElement, Values>}
 */
const firsts = new WeakMap();

/** @param {HTMLFormElement} form */
function firstOf(form) {
  const first = firsts.get(form) ?? valuesOf(form, true);
  firsts.set(form, first);
  return first;
}

/**
 * Return the fields of a form that differ from their first value, and those that are in its draft already.
 * @param {HTMLFormElement} form
 * @param {Draft | null} [draft]
 */
function changesOf(form, draft) {
  const [now, first] = [valuesOf(form, false), firstOf(form)];
  /** @param {string} name */
  const isChanged = (name) => name in (draft?.fields ?? {}) || now[name].join("\n") !== (first[name] ?? []).join("\n");
  return Object.fromEntries(Object.entries(now).filter(([name]) => isChanged(name)));
}

/** @param {HTMLFormElement} form */
const hasChanges = (form) => Object.keys(changesOf(form)).length > 0;

/**
 * Note that the server has rendered the values of a form again: they are its first ones now.
 * @param {HTMLFormElement} form
 */
export const renewed = (form) => void firsts.delete(form);

/**
 * Tell whether a form holds text that was not sent, also if the user does not see it now.
 * @param {HTMLFormElement} form
 */
export const holdsText = (form) => takesText(form) && (hasChanges(form) || (!waiting.has(form) && read(keyOf(form)) !== null));

// ── Storing ──────────────────────────────────────────────────────────
/**
 * Forms whose draft is not stored yet, with the key of each.
 * @type {Map<HTMLFormElement, string>}
 */
const waiting = new Map();
/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer;
let isLoggedOut = false; // the user logged out here: nothing is stored any more
/**
 * The form that is being sent or discarded.
 * @type {EventTarget | null}
 */
let leavesWith = null;
let leavesToLogin = false; // the page leaves for the login, after which drafts are restored
/**
 * The basis that a form had before the one of its draft replaced it.
 * @type {WeakMap<HTMLFormElement, string>}
 */
const bases = new WeakMap();

/**
 * Store the draft of a form soon.
 * @param {HTMLFormElement} form
 */
function keepSoon(form) {
  waiting.set(form, keyOf(form));
  timer ??= setTimeout(keepNow, SAVE_MS);
}

/** Store the drafts of all forms that are waiting for it. */
function keepNow() {
  clearTimeout(timer);
  timer = undefined;
  for (const [form, key] of waiting) if (!isLoggedOut) keep(form, key);
  waiting.clear();
}

/**
 * Store the changes of a form as its draft, or remove the draft if there are none.
 * @param {HTMLFormElement} form
 * @param {string} key
 */
function keep(form, key) {
  const old = form.dataset.draft === "restored" ? read(key) : null;
  // Fields that are not loaded yet, such as the options of a backend.
  const absent = Object.entries(old?.fields ?? {}).filter(([name]) => !form.elements.namedItem(name));
  const changes = { ...Object.fromEntries(absent), ...changesOf(form, old) };
  if (!Object.keys(changes).length) return remove(key);
  write(key, { fields: changes, basis: fieldOf(form, "basis")?.value, page: location.pathname });
}

/**
 * Remove a form's draft because the user discarded it.
 * @param {HTMLFormElement} form
 */
function forget(form) {
  waiting.delete(form);
  remove(keyOf(form));
  delete form.dataset.draft;
  form.querySelector("[data-draft-note]")?.remove();
  const [basis, first] = [fieldOf(form, "basis"), bases.get(form)];
  if (basis && first !== undefined) basis.value = first;
}

/**
 * Remove a form's draft because the server has accepted the form; its current values are now its first ones.
 * @param {HTMLFormElement} form
 */
export function taken(form) {
  forget(form);
  firsts.set(form, valuesOf(form, false));
}

// ── Restoring ────────────────────────────────────────────────────────
/**
 * Restore the drafts of the forms in a part of the page, and of the form around it.
 * @param {Element} root
 */
function restoreIn(root) {
  keepNow(); // text typed a moment ago is newer than the stored draft
  const around = root.parentElement?.closest("form");
  if (around && fields(around).some((field) => root.contains(field))) restore(around, root);
  for (const form of all(root, "form", HTMLFormElement)) restore(form);
  if (root instanceof HTMLFormElement) restore(root);
}

/**
 * Restore the draft of one form and show a note if this changed it.
 * @param {HTMLFormElement} form
 * @param {Element} root the part that is new; fields outside it may hold newer text than the draft
 */
function restore(form, root = form) {
  if (!takesText(form)) return;
  firstOf(form);
  const draft = read(keyOf(form));
  if (!draft) return;
  if (form.querySelector(ERRORS)) { // the server returned the values that were sent: they are the draft now
    form.dataset.draft = "restored";
    return keepSoon(form);
  }
  const shown = valuesOf(form, false);
  const added = new Set(fields(form).filter((field) => root.contains(field)).map((field) => field.name));
  const missing = Object.entries(draft.fields).filter(([name, values]) => added.has(name) && shown[name].join("\n") !== values.join("\n"));
  for (const [name, values] of missing) fill(form, name, values);
  const basis = fieldOf(form, "basis");
  if (basis && draft.basis && basis.value !== draft.basis) {
    bases.set(form, basis.value);
    basis.value = draft.basis;
  }
  form.dataset.draft = "restored";
  if (!missing.length || form.querySelector("[data-draft-note]")) return;
  form.closest("details:not(.menu)")?.setAttribute("open", "");
  showNote(form);
}

/**
 * Set the values of the fields with one name.
 * @param {HTMLFormElement} form
 * @param {string} name
 * @param {string[]} values
 */
function fill(form, name, values) {
  for (const field of fields(form).filter((one) => one.name === name)) {
    if (isTicked(field)) field.checked = values.includes(field.value);
    else if (field instanceof HTMLSelectElement) for (const option of field.options) option.selected = values.includes(option.value);
    else field.value = values[0];
    if (field instanceof HTMLSelectElement) field.dispatchEvent(new Event("change", { bubbles: true }));
  }
}

/**
 * Show that a draft was restored, with a button that discards it.
 * @param {HTMLFormElement} form
 */
function showNote(form) {
  if (!byId("blank-draft")) return;
  const note = copyOf("blank-draft");
  const place = form.querySelector(".panel-body") ?? form;
  place.prepend(note);
  requiredIn(note, "button").addEventListener("click", () => {
    form.reset(); // the reset event removes the draft and this note
    for (const select of form.querySelectorAll("select:not([data-submits])")) select.dispatchEvent(new Event("change", { bubbles: true }));
    all(form, "input:not([type=hidden]), textarea")[0]?.focus();
  });
}

new MutationObserver((changes) => {
  for (const { addedNodes } of changes) for (const node of addedNodes) if (node instanceof Element) restoreIn(node);
}).observe(document.body, { childList: true, subtree: true });

// ── Events of forms ──────────────────────────────────────────────────
for (const name of ["input", "change"]) {
  document.addEventListener(name, ({ target }) => {
    const form = target instanceof Element && isField(target) ? target.form : null;
    if (!form || !takesText(form)) return;
    isLoggedOut = false;
    if (leavesWith === form) leavesWith = null;
    keepSoon(form);
  });
}
document.addEventListener("reset", ({ target }) => { if (target instanceof HTMLFormElement) forget(target); });
document.addEventListener("click", (event) => {
  const link = closest(event.target, "a[data-discards], [data-conflict] a, a[data-close]", HTMLAnchorElement);
  const form = link?.closest("form");
  if (!link || !form) return;
  forget(form);
  leavesWith = form;
  const isHere = link.hash && link.pathname + link.search === location.pathname + location.search;
  if (!isHere || "close" in link.dataset) return;
  event.preventDefault(); // a link to a fragment of the current page would not reload it
  location.assign(link.pathname + link.search);
});
document.addEventListener("click", ({ target }) => { if (closest(target, "[data-to-login]")) leavesToLogin = true; });
// On the window, so that it runs after the page's own scripts, which may send the form themselves.
addEventListener("submit", (event) => {
  const form = event.target;
  if (!(form instanceof HTMLFormElement)) return;
  if (new URL(form.action, location.href).pathname === document.body.dataset.logout) {
    isLoggedOut = true;
    for (const key of keys()) remove(key);
  }
  if (event.defaultPrevented || form.method !== "post") return; // a script sends the form and then calls `taken`
  keepNow();
  leavesWith = form;
  const draft = read(keyOf(form));
  if (draft) write(keyOf(form), { ...draft, isSent: true, page: location.pathname });
});
addEventListener("pageshow", ({ persisted }) => {
  [leavesWith, leavesToLogin] = [null, false];
  if (persisted) for (const key of keys()) unsend(key);
});
addEventListener("pagehide", keepNow);

// Another tab has logged out. If that session was also this tab's, remove the drafts that are not on the screen here.
channel.addEventListener("message", async () => {
  const response = await fetchFragment(location.href, { method: "HEAD" }).catch(() => null);
  if (response?.status !== 401) return;
  const here = new Set([...document.forms].filter(takesText).map(keyOf));
  for (const key of keys()) if (!here.has(key)) remove(key);
});

// ── Leaving ──────────────────────────────────────────────────────────
/** @param {HTMLFormElement} form */
const isShown = (form) => !form.closest("details:not([open]), dialog:not([open])");

/**
 * Return the visible forms that hold text that was not sent, except the one that is being sent or discarded.
 * @param {ParentNode} root
 */
function dirtyForms(root) {
  return [...root.querySelectorAll("form")].filter((form) => form !== leavesWith && isShown(form) && holdsText(form));
}

/**
 * Tell whether a part of the page holds text that was not sent.
 * @param {ParentNode} root
 */
export const isDirty = (root = document) => dirtyForms(root).length > 0;

/** Let the page leave for the login, or reload after it, without asking, because the drafts are restored. */
export function leaveToLogin() {
  leavesToLogin = true;
}

addEventListener("beforeunload", (event) => {
  keepNow();
  const lost = leavesToLogin ? dirtyForms(document).filter((form) => !read(keyOf(form))) : dirtyForms(document);
  if (lost.length) event.preventDefault();
});

/**
 * Keep a draft although its form was sent: the server refused the form, or it is unknown whether it did.
 * @param {string} key
 */
function unsend(key) {
  const draft = read(key);
  if (draft?.isSent) write(key, { ...draft, isSent: false });
}

// ── Start ────────────────────────────────────────────────────────────
/** Remove the drafts of other users, and the draft of a form that the server accepted by answering with this page. */
function tidy() {
  const [visit] = /** @type {PerformanceNavigationTiming[]} */ (performance.getEntriesByType("navigation"));
  const came = visit?.type === "navigate" && document.referrer ? new URL(document.referrer).pathname : null;
  const isRefused = (visit?.responseStatus || 200) >= 400 || document.querySelector(`form :is(${ERRORS})`);
  for (const key of keys()) {
    const draft = read(key);
    if (draft === null) remove(key);
    else if (draft.isSent && came === draft.page && !isRefused) remove(key);
    else unsend(key);
  }
}

// Wait until all scripts of the page listen: restoring a chosen backend makes them load its options.
if (OWNER) {
  document.addEventListener("DOMContentLoaded", () => {
    tidy();
    restoreIn(document.body);
  });
}
