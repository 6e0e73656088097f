/* What all parts need: fragments of the server's markup, time, what is spoken, toasts, the dialog. */
// The path below which the product is served: empty, or "/mission". This file is at ROOT/static/mission_control/page.js.
export const ROOT = new URL("../..", import.meta.url).pathname.replace(/\/$/, "");

export const byId = (id) => document.getElementById(id);

const BUSY_TRIES = 3;

/** Fetch a part of a page. A server that is busy (503) is asked again where it is only read: nobody else tells that it was not shown. */
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

export function parse(html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  return template.content;
}

/** Say something to who listens to the page instead of looking at it. */
export function say(text) {
  byId("say").textContent = text;
}

/** The session has ended. The page stays with all that is typed in it, says so and offers the login. */
export function showLoggedOut() {
  const word = byId("conn");
  if (word) Object.assign(word, { hidden: false, textContent: "Logged out" }).dataset.conn = "out";
  const dialog = document.querySelector("dialog[open]"); // all else is out of reach behind it
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

/** Return why the server did not take a form. */
export function reasonOf(response) {
  return { 401: LOGGED_OUT, 403: OUT_OF_DATE }[response.status] ?? "Something went wrong. Try again.";
}

const TOAST_MS = 8000;
const SHAPES = { completed: "r-completed", error: "r-error", warn: "warn", waiting: "r-waiting", review: "s-review" };

/** Show a short notice that leaves by itself, one that is an error when it is dismissed. */
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

/** Open the dialog with the fragment that a path leads to. */
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
export function clock(seconds) {
  const two = (number) => String(number).padStart(2, "0");
  const [hours, minutes, rest] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  return hours ? `${hours}:${two(minutes)}:${two(rest)}` : `${two(minutes)}:${two(rest)}`;
}

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

/** Show moments in the reader's own time (`data-clock`, `-minute`, `-day`, `-date`, `-moment`, `-ago`, `-since`), and note
    since when elapsed times (`data-elapsed`, in seconds) run: no clocks are compared. */
export function localise(root) {
  for (const [form, write] of Object.entries(FORMS)) {
    for (const time of root.querySelectorAll(`time[data-${form}][datetime]`)) {
      const moment = new Date(time.dateTime);
      if (Number.isNaN(moment.getTime())) continue;
      time.textContent = write(moment);
      time.title = moment.toLocaleString();
    }
  }
  for (const time of root.querySelectorAll("time[data-elapsed]")) {
    time.startedAt ??= Date.now() - Number(time.dataset.elapsed) * 1000;
  }
}

export function setMoment(time, iso) {
  time.dateTime = iso;
  time.textContent = FORMS.clock(new Date(iso));
  time.title = new Date(iso).toLocaleString();
}

export function tick() {
  for (const time of document.querySelectorAll("time[data-elapsed]")) {
    time.startedAt ??= Date.now() - Number(time.dataset.elapsed) * 1000;
    const text = clock(Math.max(Math.floor((Date.now() - time.startedAt) / 1000), 0));
    if (time.textContent !== text) time.textContent = text;
  }
}

export function tickSlowly() {
  for (const time of document.querySelectorAll("time:is([data-ago], [data-since])[datetime]")) {
    time.textContent = FORMS["ago" in time.dataset ? "ago" : "since"](new Date(time.dateTime));
  }
}

/** Replace an element by its newer self, keeping the focus and the agent that was chosen. */
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
