/* Shared by all pages: fragments of the server's markup, times, screen reader announcements, toasts, the dialog. */
// The path that the site is served below: empty, or "/mission". This file is ROOT/static/mission_control/page.js.
export const ROOT = new URL("../..", import.meta.url).pathname.replace(/\/$/, "");

export const byId = (id) => document.getElementById(id);

const BUSY_TRIES = 3;

/**
 * Fetch a fragment of a page. Reads are repeated if the server is busy (503), because nothing else would show them
 * later.
 * @param {string} url
 * @param {RequestInit} [options]
 * @returns {Promise<Response>}
 */
export async function fetchFragment(url, options = {}) {
  const ask = () => fetch(url, { ...options, headers: { "X-Fragment": "1", ...options.headers }, cache: "no-store" });
  let response = await ask();
  for (let tries = 1; response.status === 503 && !options.method && tries < BUSY_TRIES; tries++) {
    const seconds = Math.min(Number(response.headers.get("Retry-After")) || 2, 5);
    await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
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
  byId("say").textContent = text;
}

/** Show that the session has ended, with a link to the login. The page and the text typed in it stay. */
export function showLoggedOut() {
  const word = byId("conn");
  if (word) Object.assign(word, { hidden: false, textContent: "Logged out" }).dataset.conn = "out";
  const dialog = document.querySelector("dialog[open]"); // an open dialog covers the rest of the page
  for (const place of [byId("main"), dialog]) {
    if (!place || place.querySelector(":scope > [data-logged-out]")) continue;
    const notice = byId("blank-logged-out").content.firstElementChild.cloneNode(true);
    const here = dialog?.dataset.path ?? `${location.pathname}${location.search}`;
    notice.querySelector("a").href = `${document.body.dataset.login}?next=${encodeURIComponent(here)}`;
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
  return { 401: LOGGED_OUT, 403: OUT_OF_DATE }[response.status] ?? "Something went wrong. Try again.";
}

const TOAST_MS = 8000;
const SHAPES = { completed: "r-completed", error: "r-error", warn: "warn", waiting: "r-waiting", review: "s-review" };

/**
 * Show a short notice. It disappears after some seconds; an error stays until the user dismisses it.
 * @param {string} text
 * @param {{status?: string, href?: string}} [options]
 */
export function toast(text, { status = "completed", href = "" } = {}) {
  const item = byId("blank-toast").content.firstElementChild.cloneNode(true);
  item.dataset.status = status;
  item.querySelector("use").setAttribute("href", `#i-${SHAPES[status] ?? "info"}`);
  const place = item.querySelector("[data-text]");
  if (href) {
    const link = document.createElement("a");
    Object.assign(link, { href, textContent: text, className: "link" });
    place.append(link);
  } else {
    place.textContent = text;
  }
  item.querySelector("[data-dismiss]").addEventListener("click", () => item.remove());
  byId("toasts").append(item);
  while (byId("toasts").childElementCount > 4) byId("toasts").firstElementChild.remove();
  if (status !== "error") setTimeout(() => item.remove(), TOAST_MS);
}

/**
 * Open the dialog with the fragment at a path. If that fails, go to the path instead.
 * @param {string} path
 */
export async function openDialog(path) {
  const dialog = byId("dialog");
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
  dialog.querySelector("[autofocus], input:not([type=hidden]), textarea, select")?.focus();
}

// ── Time ─────────────────────────────────────────────────────────────
/**
 * Return a duration as H:MM:SS or MM:SS.
 * @param {number} seconds
 * @returns {string}
 */
export function clock(seconds) {
  const two = (number) => String(number).padStart(2, "0");
  const [hours, minutes, rest] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  return hours ? `${hours}:${two(minutes)}:${two(rest)}` : `${two(minutes)}:${two(rest)}`;
}

const DRIFT_MS = 2000; // a smaller difference between two times of the server is the way to the browser

const FORMS = {
  clock: (moment) => moment.toLocaleTimeString("en-GB"),
  minute: (moment) => moment.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" }),
  day: (moment) => moment.toLocaleDateString("en", { weekday: "long", month: "long", day: "numeric" }),
  date: (moment) => moment.toLocaleDateString("en", { year: "numeric", month: "short", day: "numeric" }),
  moment: (moment) => `${moment.toLocaleDateString("en", { month: "short", day: "numeric" })}, ${FORMS.minute(moment)}`,
  ago: (moment) => ago((Date.now() - moment) / 1000),
  since: (moment) => FORMS.ago(moment) === "now" ? "just now" : `${FORMS.ago(moment)} ago`,
};

function ago(seconds) {
  if (seconds < 60) return "now";
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86400)} d`;
}

/** Set the text or another property of an element if it differs; writing the same again would end a selection in it. */
export const change = (element, name, value) => { if (element[name] !== value) element[name] = value; };

/**
 * Show times in the reader's time zone (`data-clock`, `-minute`, `-day`, `-date`, `-moment`, `-ago`, `-since`). Note
 * when elapsed times (`data-elapsed`, in seconds) started by this browser's clock, so that it is never compared with
 * the server's.
 * @param {ParentNode} root
 */
export function localise(root) {
  for (const [form, write] of Object.entries(FORMS)) {
    for (const time of root.querySelectorAll(`time[data-${form}][datetime]`)) {
      const moment = new Date(time.dateTime);
      if (Number.isNaN(moment.getTime())) continue;
      change(time, "textContent", write(moment));
      change(time, "title", moment.toLocaleString());
    }
  }
  for (const time of root.querySelectorAll("time[data-elapsed]")) {
    time.startedAt ??= Date.now() - Number(time.dataset.elapsed) * 1000;
  }
}

/**
 * Let an elapsed time on the page continue from the start that its newer markup gives.
 * @param {any} time
 * @param {any} fresh
 * @returns {true}
 */
export function followClock(time, fresh) {
  const startedAt = Date.now() - Number(fresh.dataset.elapsed) * 1000;
  if (!(Math.abs(time.startedAt - startedAt) < DRIFT_MS)) time.startedAt = startedAt;
  return true;
}

/** Set a `time` element to another time. */
export function setMoment(time, iso) {
  time.dateTime = iso;
  time.textContent = FORMS.clock(new Date(iso));
  time.title = new Date(iso).toLocaleString();
}

/** Update the elapsed times on the page. */
export function tick() {
  for (const time of document.querySelectorAll("time[data-elapsed]")) {
    time.startedAt ??= Date.now() - Number(time.dataset.elapsed) * 1000;
    change(time, "textContent", clock(Math.max(Math.floor((Date.now() - time.startedAt) / 1000), 0)));
  }
}

/** Update the relative times on the page, such as "5 min ago". */
export function tickSlowly() {
  for (const time of document.querySelectorAll("time:is([data-ago], [data-since])[datetime]")) {
    change(time, "textContent", FORMS["ago" in time.dataset ? "ago" : "since"](new Date(time.dateTime)));
  }
}

/**
 * Replace an element with its newer version, keeping the focus and the chosen agent.
 * @param {HTMLElement} old
 * @param {HTMLElement} fresh
 */
export function swap(old, fresh) {
  const focused = old.contains(document.activeElement) ? document.activeElement.dataset.key : null;
  const chosen = old.querySelector("select")?.value;
  const select = fresh.querySelector("select");
  if (chosen && select?.querySelector(`option[value="${CSS.escape(chosen)}"]`)) select.value = chosen;
  localise(fresh);
  old.replaceWith(fresh);
  window.htmx?.process(fresh);
  if (focused) {
    const heirs = [...fresh.querySelectorAll(`[data-key="${focused}"]`)];
    (heirs.find((heir) => heir.offsetParent) ?? fresh.querySelector("a"))?.focus({ preventScroll: true });
  }
}
