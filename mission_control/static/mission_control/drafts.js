/* Drafts: text that was typed and not sent is never thrown away silently.

   Each form that takes text keeps what differs from its first values in `sessionStorage`: this tab's alone, gone with
   it. It is restored when the form is shown again: after a reload, a login, a dialog that was closed. A draft belongs
   to one user; another user's is removed, and logging out removes all. Passwords, files and hidden fields are never
   stored, but for `basis`, by which the server sees that somebody else changed the same text meanwhile. */
import { fetchFragment } from "./page.js";
import { OWNER, keys, read, remove, write } from "./draft_store.js";

const SAVE_MS = 250;
const TEXT = 'textarea, input:is([type=text], [type=search], [type=url], [type=email], [type=tel], [type=number], [type=date]), input:not([type])';
const SECRET = "[type=password], [type=file], [type=hidden], [type=submit], [type=button], [readonly], [data-submits], [autocomplete*=password]";
const ERRORS = "[data-conflict], [aria-invalid=true], .err, .notice[role=alert]";
const channel = new BroadcastChannel("mc-logout"); // draft_refused.js says it

/** Tell whether a form is one that text is typed in, and that is sent to change something. */
const takesText = (form) => form.method === "post" && !("noDraft" in form.dataset) && fields(form).some((field) => field.matches(TEXT));

function fields(form) {
  return [...form.elements].filter((field) => field.name && field.matches("input, textarea, select") && !field.matches(SECRET));
}

/** Return the name of a form's draft: where it is sent, and which of the forms that are sent there it is. */
function keyOf(form) {
  const { pathname, search } = new URL(form.getAttribute("action") || location.href, location.href);
  const which = form.id || [form.elements.namedItem("kind")?.value, ...new Set(fields(form).map((field) => field.name))].join();
  return `${pathname}${search} ${which}`;
}

// ── What is in a form ────────────────────────────────────────────────
const isTicked = (field) => field.matches("[type=checkbox], [type=radio]");

function valuesOf(form, isFirst) {
  const found = {};
  for (const field of fields(form)) {
    const values = (found[field.name] ??= []);
    if (isTicked(field)) {
      if (isFirst ? field.defaultChecked : field.checked) values.push(field.value);
    } else if (field.matches("select")) {
      const first = [...field.options].filter((option) => option.defaultSelected);
      const chosen = isFirst ? (first.length || field.multiple ? first : [...field.options].slice(0, 1)) : [...field.selectedOptions];
      values.push(...chosen.map((option) => option.value));
    } else {
      values.push((isFirst ? field.defaultValue : field.value).replaceAll("\r\n", "\n"));
    }
  }
  return found;
}

const firsts = new WeakMap(); // what each form held when it came: fields that come later began empty

function firstOf(form) {
  if (!firsts.has(form)) firsts.set(form, valuesOf(form, true));
  return firsts.get(form);
}

/** Return the fields of a form whose value is no longer its first, and those that a draft already holds. */
function changesOf(form, draft) {
  const [now, first] = [valuesOf(form, false), firstOf(form)];
  const isChanged = (name) => name in (draft?.fields ?? {}) || now[name].join("\n") !== (first[name] ?? []).join("\n");
  return Object.fromEntries(Object.entries(now).filter(([name]) => isChanged(name)));
}

const hasChanges = (form) => Object.keys(changesOf(form)).length > 0;

// ── Keeping ──────────────────────────────────────────────────────────
const waiting = new Map(); // forms whose draft is yet to be written, with the key of each
let timer = null;
let isLoggedOut = false; // by the user's own hand: nothing is kept any more
let leavesWith = null; // the form that is being sent or thrown away
let leavesToLogin = false; // from where drafts come back
const bases = new WeakMap(); // what a form's basis was before that of its draft took its place

function keepSoon(form) {
  waiting.set(form, keyOf(form));
  timer ??= setTimeout(keepNow, SAVE_MS);
}

/** Write the drafts of the forms that were typed in since. */
function keepNow() {
  clearTimeout(timer);
  timer = null;
  for (const [form, key] of waiting) if (!isLoggedOut) keep(form, key);
  waiting.clear();
}

function keep(form, key) {
  const old = form.dataset.draft === "restored" ? read(key) : null;
  const absent = Object.entries(old?.fields ?? {}).filter(([name]) => !form.elements.namedItem(name)); // on their way, as options are
  const changes = { ...Object.fromEntries(absent), ...changesOf(form, old) };
  if (!Object.keys(changes).length) return remove(key);
  write(key, { fields: changes, basis: form.elements.namedItem("basis")?.value, page: location.pathname });
}

/** Forget a form's draft: it was thrown away on purpose. */
function forget(form) {
  waiting.delete(form);
  remove(keyOf(form));
  delete form.dataset.draft;
  form.querySelector("[data-draft-note]")?.remove();
  if (bases.has(form)) form.elements.namedItem("basis").value = bases.get(form);
}

/** Forget a form's draft: what the form holds was sent, and the server has taken it. */
export function taken(form) {
  forget(form);
  firsts.set(form, valuesOf(form, false));
}

// ── Restoring ────────────────────────────────────────────────────────
/** Put drafts back into the forms of a part of the page. */
function restoreIn(root) {
  keepNow(); // what was typed a moment ago is newer than its draft
  const forms = [...(root.matches?.("form") ? [root] : []), ...(root.querySelectorAll?.("form") ?? []), root.closest?.("form")];
  for (const form of new Set(forms)) if (form && takesText(form)) restore(form);
}

function restore(form) {
  firstOf(form);
  const draft = read(keyOf(form));
  if (!draft) return;
  if (form.querySelector(ERRORS)) { // the server showed what was sent: that is the draft now
    form.dataset.draft = "restored";
    return keepSoon(form);
  }
  const shown = valuesOf(form, false);
  const missing = Object.entries(draft.fields).filter(([name, values]) => shown[name] && shown[name].join("\n") !== values.join("\n"));
  for (const [name, values] of missing) fill(form, name, values);
  const basis = form.elements.namedItem("basis");
  if (basis && draft.basis && basis.value !== draft.basis) {
    bases.set(form, basis.value);
    basis.value = draft.basis;
  }
  form.dataset.draft = "restored";
  if (!missing.length || form.querySelector("[data-draft-note]")) return;
  form.closest("details:not(.menu)")?.setAttribute("open", "");
  showNote(form);
}

function fill(form, name, values) {
  for (const field of fields(form).filter((one) => one.name === name)) {
    if (isTicked(field)) field.checked = values.includes(field.value);
    else if (field.matches("select")) for (const option of field.options) option.selected = values.includes(option.value);
    else field.value = values[0];
    if (field.matches("select")) field.dispatchEvent(new Event("change", { bubbles: true }));
  }
}

function showNote(form) {
  const note = document.getElementById("blank-draft")?.content.firstElementChild.cloneNode(true);
  if (!note) return;
  const place = form.querySelector(".panel-body") ?? form;
  place.prepend(note);
  note.querySelector("button").addEventListener("click", () => {
    form.reset(); // the note goes with the draft
    for (const select of form.querySelectorAll("select:not([data-submits])")) select.dispatchEvent(new Event("change", { bubbles: true }));
    form.querySelector("input:not([type=hidden]), textarea")?.focus();
  });
}

new MutationObserver((changes) => {
  for (const { addedNodes } of changes) for (const node of addedNodes) if (node.nodeType === Node.ELEMENT_NODE) restoreIn(node);
}).observe(document.body, { childList: true, subtree: true });

// ── What happens to forms ────────────────────────────────────────────
for (const name of ["input", "change"]) {
  document.addEventListener(name, ({ target }) => {
    const form = target.form;
    if (!form || !takesText(form)) return;
    isLoggedOut = false;
    if (leavesWith === form) leavesWith = null;
    keepSoon(form);
  });
}
document.addEventListener("reset", ({ target }) => forget(target));
document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a[data-discards], [data-conflict] a, a[data-close]");
  const form = link?.closest("form");
  if (!form) return;
  forget(form);
  leavesWith = form;
  const isHere = link.hash && link.pathname + link.search === location.pathname + location.search;
  if (!isHere || "close" in link.dataset) return;
  event.preventDefault(); // a link into the page that is shown would not load it again
  location.assign(link.pathname + link.search);
});
document.addEventListener("click", ({ target }) => { if (target.closest?.("[data-to-login]")) leavesToLogin = true; });
// On the window: the page's own scripts, which may send a form themselves, have had the event by then.
addEventListener("submit", (event) => {
  if (new URL(event.target.action, location.href).pathname === document.body.dataset.logout) {
    isLoggedOut = true;
    for (const key of keys()) remove(key);
  }
  if (event.defaultPrevented || event.target.method !== "post") return; // a script sends it and calls `taken`
  keepNow();
  leavesWith = event.target;
  const draft = read(keyOf(event.target));
  if (draft) write(keyOf(event.target), { ...draft, isSent: true, page: location.pathname });
});
addEventListener("pageshow", ({ persisted }) => {
  [leavesWith, leavesToLogin] = [null, false];
  if (persisted) for (const key of keys()) unsend(key);
});
addEventListener("pagehide", keepNow);

// Another tab came to the login after a logout. What is not on the screen here goes too.
channel.addEventListener("message", async () => {
  const response = await fetchFragment(location.href, { method: "HEAD" }).catch(() => null);
  if (response?.status !== 401) return;
  const here = new Set([...document.forms].filter(takesText).map(keyOf));
  for (const key of keys()) if (!here.has(key)) remove(key);
});

// ── Leaving ──────────────────────────────────────────────────────────
const isShown = (form) => !form.closest("details:not([open]), dialog:not([open])");

function dirtyForms(root) {
  const isDirty = (form) => hasChanges(form) || read(keyOf(form)) !== null;
  return [...root.querySelectorAll("form")].filter((form) => form !== leavesWith && takesText(form) && isShown(form) && isDirty(form));
}

/** Tell whether a part of the page holds text that was typed and not sent. */
export const isDirty = (root = document) => dirtyForms(root).length > 0;

/** Let the page go to the login, or load again after it, without a question: the drafts come back. */
export function leaveToLogin() {
  leavesToLogin = true;
}

addEventListener("beforeunload", (event) => {
  keepNow();
  const lost = leavesToLogin ? dirtyForms(document).filter((form) => !read(keyOf(form))) : dirtyForms(document);
  if (lost.length) event.preventDefault();
});

/** The form was not taken, or nobody knows: its draft stays. */
function unsend(key) {
  const draft = read(key);
  if (draft?.isSent) write(key, { ...draft, isSent: false });
}

// ── Start ────────────────────────────────────────────────────────────
/** Remove what another user left, and what the server has taken: this page is its answer. */
function tidy() {
  const [visit] = performance.getEntriesByType("navigation");
  const came = visit?.type === "navigate" && document.referrer ? new URL(document.referrer).pathname : null;
  const isRefused = (visit?.responseStatus || 200) >= 400 || document.querySelector(`form :is(${ERRORS})`);
  for (const key of keys()) {
    const draft = read(key);
    if (draft === null) remove(key);
    else if (draft.isSent && came === draft.page && !isRefused) remove(key);
    else unsend(key);
  }
}

// When all scripts of the page listen: a backend that is chosen again brings its options.
if (OWNER) {
  document.addEventListener("DOMContentLoaded", () => {
    tidy();
    restoreIn(document.body);
  });
}
