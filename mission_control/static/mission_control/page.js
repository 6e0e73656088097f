// @ts-check
/* Shared by all pages: fragments of the server's markup, times, screen reader announcements, toasts, the dialog. */
import { all, byId, copyOf, required, requiredIn } from "./dom.js";

export { byId };

// The path that the site is served below: empty, or "/mission". This file is ROOT/static/mission_control/page.js.
export const ROOT = new URL("../..", import.meta.url).pathname.replace(/\/$/, "");

const BUSY_TRIES = 3;
const READ_MS = 60000; // longer than the server takes to answer 503

/**
 * Fetch a fragment of a page. Reads are repeated if the server is busy (503), because nothing else would show them
 * later. A read without an answer within a minute fails: after a change of networks it might never get one.
 * @param {string} url
 * @param {RequestInit} [options]
 * @returns {Promise<Response>}
 */
export async function fetchFragment(url, options = {}) {
  const ask = () => fetch(url, {
    ...options,
    ...(!options.method && { signal: AbortSignal.timeout(READ_MS) }),
    headers: { "X-Fragment": "1", ...options.headers },
    cache: "no-store",
  });
  let response = await ask();
  for (let tries = 1; response.status === 503 && !options.method && tries < BUSY_TRIES; tries++) {
    const seconds = Math.min(Number(response.headers.get("Retry-After")) || 2, 5);
    await new Promise((resolve) => { setTimeout(resolve, seconds * 1000); });
    response = await ask();
  }
  if (response.status === 401) showLoggedOut();
  return response;
}

/**
 * Return the elements of a piece of markup.
 * @param {string} html
 * @returns {DocumentFragment}
 */
export function parse(html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  return template.content;
}

/**
 * Announce a text to users of screen readers.
 * @param {string} text
 */
export function say(text) {
  required("say").textContent = text;
}

/** Show that the session has ended, with a link to the login. The page and the text typed in it stay. */
export function showLoggedOut() {
  const word = byId("conn");
  if (word) Object.assign(word, { hidden: false, textContent: "Logged out" }).dataset.conn = "out";
  const [dialog] = all(document, "dialog[open]", HTMLDialogElement); // an open dialog covers the rest of the page
  for (const place of [byId("main"), dialog]) {
    if (!place || place.querySelector(":scope > [data-logged-out]")) continue;
    const notice = copyOf("blank-logged-out");
    const here = dialog?.dataset.path ?? `${location.pathname}${location.search}`;
    requiredIn(notice, "a", HTMLAnchorElement).href = `${document.body.dataset.login}?next=${encodeURIComponent(here)}`;
    place.prepend(notice);
  }
}

export const isLoggedOut = () => document.querySelector("[data-logged-out]") !== null;

export const LOGGED_OUT = "You are logged out. What you typed is kept: log in, then send it again.";
export const OUT_OF_DATE = "This page is out of date. Reload it; what you typed is kept.";
export const UNREACHABLE = "Can't reach the server. Your change may not have been saved; check when it is back.";

/**
 * Return the reason why the server refused a form.
 * @param {Response} response
 * @returns {string}
 */
export function reasonOf(response) {
  if (response.status === 401) return LOGGED_OUT;
  return response.status === 403 ? OUT_OF_DATE : "Something went wrong. Try again.";
}

const TOAST_MS = 8000;
/** @type {Record<string, string>} */
const SHAPES = { completed: "r-completed", error: "r-error", warn: "warn", waiting: "r-waiting", review: "s-review", asks: "ask" };

/**
 * Show a short notice. It disappears after some seconds; an error stays until the user dismisses it.
 * @param {string} text
 * @param {{status?: string, href?: string}} [options]
 */
export function toast(text, { status = "completed", href = "" } = {}) {
  const item = copyOf("blank-toast");
  item.dataset.status = status;
  requiredIn(item, "use", SVGUseElement).setAttribute("href", `#i-${SHAPES[status] ?? "info"}`);
  const place = requiredIn(item, "[data-text]");
  if (href) {
    const link = document.createElement("a");
    Object.assign(link, { href, textContent: text, className: "link" });
    place.append(link);
  } else {
    place.textContent = text;
  }
  requiredIn(item, "[data-dismiss]").addEventListener("click", () => item.remove());
  required("toasts").append(item);
  for (const old of [...required("toasts").children].slice(0, -4)) old.remove();
  if (status !== "error") setTimeout(() => item.remove(), TOAST_MS);
}

/**
 * Open the dialog with the fragment at a path. If that fails, go to the path instead.
 * @param {string} path
 */
export async function openDialog(path) {
  const dialog = byId("dialog");
  if (!(dialog instanceof HTMLDialogElement)) return location.assign(path);
  try {
    const response = await fetchFragment(path);
    if (response.status === 401) return;
    const html = await response.text();
    if (!response.ok || !html.includes("dialog-h")) return location.assign(path);
    dialog.replaceChildren(parse(html));
    dialog.dataset.path = new URL(path, location.href).pathname;
  } catch {
    return location.assign(path);
  }
  if (!dialog.open) dialog.showModal();
  localise(dialog);
  window.htmx?.process(dialog);
  all(dialog, "[autofocus], input:not([type=hidden]), textarea, select")[0]?.focus();
}

/**
 * Show another text in an element that has only text. The text node stays: to replace it would make the browser check
 * the styles of all elements around it.
 * @param {Element} element
 * @param {string} text
 */
export function setText(element, text) {
  if (element.textContent === text) return;
  if (element.childNodes.length === 1 && element.firstChild instanceof Text) element.firstChild.data = text;
  else element.textContent = text;
}

// ── Time ─────────────────────────────────────────────────────────────
/**
 * Return a duration as H:MM:SS or MM:SS.
 * @param {number} seconds
 * @returns {string}
 */
export function clock(seconds) {
  const two = (/** @type {number} */ number) => String(number).padStart(2, "0");
  const [hours, minutes, rest] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  return hours ? `${hours}:${two(minutes)}:${two(rest)}` : `${two(minutes)}:${two(rest)}`;
}

const DRIFT_MS = 2000; // a smaller difference between two times of the server is only the delay on the way here

/** @type {Record<string, (moment: Date) => string>} */
const FORMS = {
  clock: (moment) => moment.toLocaleTimeString("en-GB"),
  minute: (moment) => moment.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" }),
  day: (moment) => moment.toLocaleDateString("en", { weekday: "long", month: "long", day: "numeric" }),
  date: (moment) => moment.toLocaleDateString("en", { year: "numeric", month: "short", day: "numeric" }),
  moment: (moment) => `${moment.toLocaleDateString("en", { month: "short", day: "numeric" })}, ${FORMS.minute(moment)}`,
  ago: (moment) => ago((Date.now() - moment.getTime()) / 1000),
  since: (moment) => FORMS.ago(moment) === "now" ? "just now" : `${FORMS.ago(moment)} ago`,
};

/** @param {number} seconds */
function ago(seconds) {
  if (seconds < 60) return "now";
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86400)} d`;
}

/**
 * Set the text or another property of an element if it differs; writing the same again would end a selection in it.
 * @template {Element | Document} Place
 * @template {keyof Place} Name
 * @param {Place} element
 * @param {Name} name
 * @param {Place[Name]} value
 */
export function change(element, name, value) {
  if (element[name] !== value) element[name] = value;
}

/**
 * When elapsed times started by this browser's clock, so that it is never compared with the server's.
 * @type {WeakMap<Element, number>}
 */
const starts = new WeakMap();

/** @param {Element} time */
const startOf = (time) => Date.now() - Number(time.getAttribute("data-elapsed")) * 1000;

/**
 * Show times in the reader's time zone (`data-clock`, `-minute`, `-day`, `-date`, `-moment`, `-ago`, `-since`). Note
 * when elapsed times (`data-elapsed`, in seconds) started.
 * @param {ParentNode} root
 */
export function localise(root) {
  for (const [form, write] of Object.entries(FORMS)) {
    for (const time of all(root, `time[data-${form}][datetime]`, HTMLTimeElement)) {
      const moment = new Date(time.dateTime);
      if (Number.isNaN(moment.getTime())) continue;
      change(time, "textContent", write(moment));
      change(time, "title", moment.toLocaleString());
    }
  }
  for (const time of all(root, "time[data-elapsed]")) if (!starts.has(time)) starts.set(time, startOf(time));
}

/**
 * Let an elapsed time on the page continue from the start that its newer markup gives.
 * @param {Element} time
 * @param {Element} fresh
 * @returns {true}
 */
export function followClock(time, fresh) {
  if (!(Math.abs((starts.get(time) ?? 0) - startOf(fresh)) < DRIFT_MS)) starts.set(time, startOf(fresh));
  return true;
}

/**
 * Set a `time` element to another time.
 * @param {HTMLTimeElement} time
 * @param {string} iso
 */
export function setMoment(time, iso) {
  time.dateTime = iso;
  time.textContent = FORMS.clock(new Date(iso));
  time.title = new Date(iso).toLocaleString();
}

/** Update the elapsed times on the page. */
export function tick() {
  for (const time of all(document, "time[data-elapsed]")) {
    const start = starts.get(time) ?? startOf(time);
    starts.set(time, start);
    setText(time, clock(Math.max(Math.floor((Date.now() - start) / 1000), 0)));
  }
}

/** Update the relative times on the page, such as "5 min ago". */
export function tickSlowly() {
  for (const time of all(document, "time:is([data-ago], [data-since])[datetime]", HTMLTimeElement)) {
    change(time, "textContent", FORMS["ago" in time.dataset ? "ago" : "since"](new Date(time.dateTime)));
  }
}
