// @ts-check
/* Shows newer markup of the server on the page. All scripts that fetch a part of a page do it here, and so does htmx
   (`hx-swap="morph"`).

   Idiomorph changes only what differs, so what stays keeps its focus, scroll position, selection and listeners. The
   rules below leave alone what the user or a script has changed since the server rendered it. What the user is using
   at this moment does not change at all: its part is shown again when they leave it. */
import { all } from "./dom.js";
import { holdsText, renewed } from "./drafts.js";
import { byId, fetchFragment, followClock, localise, parse } from "./page.js";

const { Idiomorph, htmx } = /** @type {any} */ (window);
const MENU = "details.menu[open], details.edit-text[open]";
const TYPED = "textarea, select, input:not([type=checkbox], [type=radio], [type=hidden])";
const UNAVAILABLE = new Set([502, 503, 504]); // the server, or a proxy that does not reach it
const CHOICE = "input:is([type=checkbox], [type=radio]), select";

/**
 * Parts that could not be shown whole, with their newest markup.
 * @type {Map<Element, Element>}
 */
const waiting = new Map();

/**
 * Change a part of the page into its newer markup. Before that, `mc:fresh` is dispatched for scripts that change the
 * server's markup: what they did to the part on the page, they have to do to its newer markup too. `mc:placed`
 * follows when the part is on the page.
 * @param {Element} part
 * @param {Element} fresh
 */
export function morph(part, fresh) {
  localise(fresh);
  document.dispatchEvent(new CustomEvent("mc:fresh", { detail: fresh }));
  const used = [part, ...part.querySelectorAll(`details, form, ${TYPED}`)].filter(isInUse);
  const isHeld = movesOthers(part, fresh);
  if (used.length || isHeld) waiting.set(part, fresh);
  else waiting.delete(part);
  if (isHeld) return hold(fresh);
  if (!used.every((element) => isIn(fresh, element))) return; // it would be removed
  const choices = choicesIn(part);
  const key = part.contains(document.activeElement) && document.activeElement?.getAttribute("data-key");
  Idiomorph.morph(part, fresh, { callbacks: RULES });
  choose(part, choices);
  if (key && !part.contains(document.activeElement)) { // the element with the focus was replaced
    all(part, `[data-key="${CSS.escape(key)}"]`)[0]?.focus({ preventScroll: true });
  }
  document.dispatchEvent(new CustomEvent("mc:placed", { detail: part }));
}

/**
 * Change the parts of the page that a fragment contains.
 * @param {ParentNode} fragment
 */
export function morphParts(fragment) {
  for (const fresh of [...fragment.children]) {
    const part = byId(fresh.id);
    if (part) morph(part, fresh);
  }
}

/**
 * Return a function that fetches a fragment at most once every `everyMs`, and always once more after the last call.
 * While the server is unavailable it tries again every `againMs`.
 * Its `outdate` drops an answer that is on its way, because newer markup is on the page.
 * @param {() => string} url
 * @param {object} [options]
 * @param {number} [options.everyMs]
 * @param {number} [options.againMs]
 * @param {(fragment: DocumentFragment) => void} [options.take] shows the fragment
 * @param {() => void} [options.onGone] what to do if the page is no longer there
 */
export function refresher(url, { everyMs = 500, againMs = 5000, take = morphParts, onGone = () => location.reload() } = {}) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  let isBusy = false;
  let isAskedAgain = false;
  let version = 0;
  async function ask() {
    timer = undefined;
    if (document.hidden) return whenVisible(refresh);
    if (isBusy) return void (isAskedAgain = true);
    isBusy = true;
    const asked = version;
    const answer = await fetched(url());
    isBusy = false;
    if (isAskedAgain) refresh();
    isAskedAgain = false;
    if (answer?.status === 404) onGone();
    else if (UNAVAILABLE.has(answer?.status ?? 0)) setTimeout(refresh, againMs);
    else if (answer?.fragment && asked === version) take(answer.fragment);
  }
  const refresh = () => { timer ??= setTimeout(ask, everyMs); };
  refresh.outdate = () => { version += 1; };
  return refresh;
}

/**
 * What to do when the user looks at the page again.
 * @type {Set<() => void>}
 */
const postponed = new Set();

/**
 * Do something now or, while the user cannot see the page, once when they look at it again.
 * @param {() => void} act
 */
export function whenVisible(act) {
  if (document.hidden) postponed.add(act);
  else act();
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  for (const act of [...postponed]) {
    postponed.delete(act);
    act();
  }
});

/**
 * Fetch a fragment. Return its status and, if it is there, its content; nothing if the connection is lost: the socket
 * shows this, and refreshes the page when it is back.
 * @param {string} url
 */
async function fetched(url) {
  try {
    const response = await fetchFragment(url);
    const html = await response.text();
    return { status: response.status, fragment: response.ok ? parse(html) : null };
  } catch {
    return null;
  }
}

// ── What must not change ─────────────────────────────────────────────
const RULES = {
  /** @param {Node} old @param {Node} fresh */
  beforeNodeMorphed(old, fresh) {
    if (!(old instanceof Element && fresh instanceof Element)) return true;
    if (isInUse(old) || isKept(old, fresh)) return false;
    if (fresh.matches("[data-opened]") && !old.matches("[data-opened]")) old.setAttribute("open", ""); // the server opens it
    return true;
  },
  /** @param {string} name @param {Element} element @param {"update" | "remove"} type */
  beforeAttributeUpdated(name, element, type) {
    if (name === "open" && element.matches("details")) return false;
    return !(name === "tabindex" && type === "remove" && element === document.activeElement);
  },
  /** @param {Node} old */
  afterNodeMorphed(old) {
    if (old instanceof HTMLFormElement) renewed(old);
  },
};

/**
 * Tell whether an element stays as it is: what a script has written, and what differs each time it is rendered.
 * @param {Element} old
 * @param {Element} fresh
 */
function isKept(old, fresh) {
  const clock = "time[data-elapsed]";
  if (old.matches(clock) && fresh.matches(clock)) return followClock(old, fresh);
  if (old.matches("[data-keep], noscript")) return true; // a page has the content of `noscript` as text, a fragment as elements
  if (old.matches("[data-loaded]:not([data-loaded=''])")) return !fresh.matches("[data-loaded]");
  const isHidden = (/** @type {string} */ name) => old.matches(`[type=hidden][name=${name}]`) && fresh.matches(`[name=${name}]`);
  return isHidden("csrfmiddlewaretoken") || (isHidden("basis") && textsIn(old) === textsIn(fresh)); // both are valid
}

/**
 * Return what the basis of a form says of its texts. It also has the time when the server rendered it.
 * @param {Element} basis
 */
const textsIn = (basis) => basis.getAttribute("value")?.replace(/"at": ?"[^"]*"/, "");

/**
 * Tell whether the user has opened a menu, is typing in a field or its form, or has typed in the form or is sending it.
 * @param {Element} element
 */
function isInUse(element) {
  const field = document.activeElement?.matches(TYPED) ? document.activeElement : null;
  if (element.matches(MENU) || element === field) return true;
  if (!(element instanceof HTMLFormElement)) return false;
  if (element.contains(field) || element.matches("[data-busy], :has([aria-busy=true])")) return true;
  return [...element.elements].some((one) => one instanceof HTMLInputElement && one.files?.length) || holdsText(element);
}

/**
 * Tell whether newer markup contains an element of the page too.
 * @param {Element} fresh
 * @param {Element} element a menu, a form or a field
 */
function isIn(fresh, element) {
  const quoted = (/** @type {string | null | undefined} */ text) => `"${CSS.escape(text ?? "")}"`;
  const key = element.querySelector(":scope > summary")?.getAttribute("data-key");
  const selector = element.id ? `[id=${quoted(element.id)}]`
    : key ? `details:has(> summary[data-key=${quoted(key)}])`
    : element.matches("form") ? `form[action=${quoted(element.getAttribute("action"))}]`
    : `[name=${quoted(element.getAttribute("name"))}]`;
  return fresh.matches(selector) || fresh.querySelector(selector) !== null;
}

// ── Choices ──────────────────────────────────────────────────────────
/** @typedef {HTMLInputElement | HTMLSelectElement} Field */

/** @param {Element} part @returns {Field[]} */
const fieldsIn = (part) => [...part.querySelectorAll(CHOICE)].map((field) => /** @type {Field} */ (field));

/** @param {Field} field @returns {string} the form and the name that the fields of one choice share */
const choiceOf = (field) => `${field.form?.getAttribute("action")} ${field.name || field.id}`;

/** @param {Field} field */
function isChanged(field) {
  if (field instanceof HTMLInputElement) return field.checked !== field.defaultChecked;
  const first = [...field.options].find((option) => option.defaultSelected) ?? field.options[0];
  return field.selectedIndex !== (first?.index ?? -1);
}

/**
 * Return the values that the user has chosen, by choice. Choices that are still as the server rendered them are left out.
 * @param {Element} part
 */
function choicesIn(part) {
  const fields = fieldsIn(part);
  const changed = new Set(fields.filter(isChanged).map(choiceOf));
  /** @type {Map<string, Set<string>>} */
  const choices = new Map([...changed].map((choice) => [choice, new Set()]));
  for (const field of fields) {
    if (field instanceof HTMLSelectElement || field.checked) choices.get(choiceOf(field))?.add(field.value);
  }
  return choices;
}

/**
 * Choose these values again. New values are not chosen. If all values of a choice are gone, the server's choice stays.
 * @param {Element} part
 * @param {Map<string, Set<string>>} choices
 */
function choose(part, choices) {
  for (const field of choices.size ? fieldsIn(part) : []) {
    const values = choices.get(choiceOf(field));
    if (!values) continue;
    if (field instanceof HTMLSelectElement) {
      const option = [...field.options].find((one) => values.has(one.value));
      if (option) option.selected = true;
    } else if (field.type === "checkbox" || values.has(field.value)) {
      field.checked = values.has(field.value);
    }
  }
}

// ── Parts that would move what is below them ────────────────────────
const STILL_MS = 1500; // a pointer that rests this long is not about to click
const READ_MS = 2500; // time to read how a question ended
let pointerMovedAt = -STILL_MS;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let holding;

document.addEventListener("pointermove", () => { pointerMovedAt = performance.now(); }, { passive: true });
document.addEventListener("pointerdown", () => { pointerMovedAt = performance.now(); }, { passive: true });

/** @param {Element} part @returns {string} the entries that take space in a part */
const entriesIn = (part) => [...part.querySelectorAll("[data-question]")].map((entry) => entry.id).join();

/**
 * Tell whether newer markup of a part with `data-steady`, the selector of an area, would move something in this area
 * that the user points at or types in. So does an entry that is removed before the user can read how it ended.
 * @param {Element} part
 * @param {Element} fresh
 */
function movesOthers(part, fresh) {
  const area = part.getAttribute("data-steady");
  if (!area || entriesIn(part) === entriesIn(fresh)) return false;
  const isPointedAt = document.querySelector(`${area}:hover`) && performance.now() - pointerMovedAt < STILL_MS;
  const field = document.activeElement?.matches(TYPED) ? document.activeElement.closest(area) : null;
  const isUnread = all(part, "[data-ended-at]").some((entry) => Date.now() - Number(entry.dataset.endedAt) < READ_MS);
  return Boolean(isPointedAt || (field && !part.contains(document.activeElement)) || isUnread);
}

/**
 * Show held parts later.
 * @param {Element} fresh
 */
function hold(fresh) {
  holding ??= setTimeout(() => { holding = undefined; showWaiting(); }, STILL_MS / 3);
  document.dispatchEvent(new CustomEvent("mc:held", { detail: fresh }));
}

/** Show held parts now, because the user wants to see them. */
export function showNow() {
  pointerMovedAt = -STILL_MS;
  if (document.activeElement instanceof HTMLElement) document.activeElement.blur();
  showWaiting();
}

// ── Parts that wait ──────────────────────────────────────────────────
/** Show the parts that waited until the user left what they were using. */
export function showWaiting() {
  for (const [part, fresh] of [...waiting]) {
    if (part.isConnected) morph(part, fresh);
    else waiting.delete(part);
  }
}

for (const name of ["focusout", "toggle", "reset"]) {
  document.addEventListener(name, () => { if (waiting.size) setTimeout(showWaiting); }, true);
}

htmx?.defineExtension("morph", {
  /** @param {string} style */
  isInlineSwap: (style) => style === "morph",
  /** @param {string} style @param {Element} target @param {DocumentFragment} fragment */
  handleSwap(style, target, fragment) {
    if (style !== "morph") return false;
    if (fragment.firstElementChild) morph(target, fragment.firstElementChild);
    else target.remove();
    return [target];
  },
});
