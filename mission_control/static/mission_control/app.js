// @ts-check
/* The shell of every page: the board's socket and the events its frames cause, time, dialogs, forms, notices.

   Each frame causes two kinds of events. `mc:frame` on the document carries the whole frame at once, for scripts
   that show output. `mc:task`, `mc:task:ID`, `mc:project`, `mc:project:ID`, `mc:run`, `mc:run:ID`, `mc:capacity`,
   `mc:question` and `mc:activity` on the body are collected for a quarter of a second; they refresh the fragments that name them
   in `hx-trigger`. `mc:run:later` follows within two seconds, for what is costly to render. `mc:missed` does the same
   when frames may have been missed, so that everything shown is fetched again. A hidden page waits until it is visible. */
import "./copy.js";
import "./keys.js";
import "./questions.js";
import "./usage.js";
import { all, byId, closest, copyOf, required, requiredIn } from "./dom.js";
import { isDirty, leaveToLogin, taken } from "./drafts.js";
import { ROOT, UNREACHABLE, fetchFragment, isLoggedOut, localise, openDialog, parse, reasonOf, say, showLoggedOut, tick, tickSlowly, toast } from "./page.js";
import { openPalette } from "./palette.js";
import { whenVisible } from "./refresh.js";
import { Socket, reconnectAll, showConnection, sockets } from "./socket.js";
import { showCapacity, showNotifications } from "./topbar.js";

const SLEEP_MS = 15000; // after a clock jump this long the computer has slept, and its sockets may be dead
const GATHER_MS = 250;
const LATER_MS = 2000;

// ── Frames ───────────────────────────────────────────────────────────
/** @type {Set<string>} */
let gathered = new Set();
/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let laterTimer;

/**
 * Trigger these events for the fragments that listen for them: at most four times a second, and always after the
 * last call.
 * @param {...string} names
 */
export function wake(...names) {
  for (const name of names) gathered.add(name);
  timer ??= setTimeout(() => { timer = undefined; whenVisible(triggerGathered); }, GATHER_MS);
}

function triggerGathered() {
  const now = gathered;
  gathered = new Set();
  for (const name of now) window.htmx?.trigger(document.body, name);
  document.dispatchEvent(new CustomEvent("mc:wake", { detail: now }));
  if (now.has("mc:run")) laterTimer ??= setTimeout(() => { laterTimer = undefined; wake("mc:run:later"); }, LATER_MS);
}

/**
 * Dispatch a frame to the scripts of the page and wake the fragments that it changes.
 * @param {Frame} frame
 */
function takeFrame(frame) {
  const { event_type: name, data } = frame;
  if (name === "mc_capacity" && !showCapacity(data)) return; // each greeting is followed by the current numbers
  document.dispatchEvent(new CustomEvent("mc:frame", { detail: frame }));
  if (name === "mc_task_started" || name === "mc_task_completed" || name === "mc_run_parked" || name === "mc_run_resumed") {
    wake("mc:run", "mc:task", `mc:run:${data.run_id}`);
    if (data.task_id) wake(`mc:task:${data.task_id}`);
  } else if (name === "mc_question_created" || name === "mc_question_answered") {
    wake("mc:question");
  } else if (name === "mc_task_updated") {
    wake("mc:task", `mc:task:${data.task.id}`);
    if (data.task.project_id) wake(`mc:project:${data.task.project_id}`);
  } else if (name === "mc_project_updated") {
    wake("mc:project", `mc:project:${data.project.id}`);
  } else if (name === "mc_capacity") {
    wake("mc:capacity");
  } else if (name === "page_notifications") {
    showNotifications(data.count);
  } else if (name === "mc_activity_created") {
    wake("mc:activity");
  } else if (name === "dw_planning_phase" || name === "dw_planning_complete") {
    wake("mc:project", `mc:project:${data.project_id}`);
  }
}

// ── Dialogs and forms in them ────────────────────────────────────────
/**
 * Send the form in the dialog, and show the answer in the dialog or leave for the page that it names.
 * @param {HTMLFormElement} form
 * @param {HTMLElement | null} button
 */
async function submitInDialog(form, button) {
  const dialog = required("dialog", HTMLDialogElement);
  if (form.dataset.busy) return;
  form.dataset.busy = "yes";
  button?.setAttribute("aria-busy", "true");
  try {
    const response = await fetchFragment(form.action, { method: "POST", body: new FormData(form, button) });
    const to = response.headers.get("X-Location");
    if (to || response.status === 204) taken(form);
    if (to) return location.assign(to);
    if (response.status === 204) {
      dialog.close();
      const message = response.headers.get("X-Said");
      if (message) toast(decodeURIComponent(message));
      return wake("mc:task", "mc:missed");
    }
    const html = await response.text();
    if (!html.includes("dialog-h")) throw new Error(reasonOf(response));
    dialog.replaceChildren(parse(html));
    localise(dialog);
    (all(dialog, "[aria-invalid=true]")[0] ?? all(dialog, "input:not([type=hidden])")[0])?.focus();
  } catch (error) {
    toast(error instanceof Error && !(error instanceof TypeError) ? error.message : UNREACHABLE, { status: "error" });
  } finally {
    delete form.dataset.busy;
    button?.removeAttribute("aria-busy");
  }
}

/**
 * Close a dialog after a click outside it, unless it holds text that was not sent.
 * @param {HTMLDialogElement} dialog
 */
function closeByBackdrop(dialog) {
  if (!isDirty(dialog)) return dialog.close();
  requiredIn(dialog, "form").append(dialog.querySelector("[data-stays]") ?? copyOf("blank-stays"));
}

byId("dialog")?.addEventListener("cancel", () => {
  if (isDirty(required("dialog"))) toast("Your draft is saved. Open the form again to continue.");
});
byId("dialog")?.addEventListener("close", () => required("dialog").replaceChildren());

document.addEventListener("submit", (event) => {
  const form = closest(event.target, "#dialog form", HTMLFormElement);
  if (event.defaultPrevented || form?.method !== "post") return;
  event.preventDefault();
  submitInDialog(form, event.submitter);
});

document.addEventListener("click", (event) => {
  if (event.target instanceof HTMLDialogElement) closeByBackdrop(event.target);
  if (closest(event.target, "[data-close]")) {
    const dialog = closest(event.target, "dialog", HTMLDialogElement);
    if (dialog) event.preventDefault();
    dialog?.close();
  }
  for (const menu of all(document, "details.menu[open]", HTMLDetailsElement)) {
    if (!event.composedPath().includes(menu)) menu.open = false;
  }
  if (event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  const link = closest(event.target, "a[data-dialog], a[data-palette], a[data-keys]", HTMLAnchorElement);
  if (!link) return;
  event.preventDefault();
  link.closest("details.menu")?.removeAttribute("open");
  if ("palette" in link.dataset) openPalette();
  else if ("keys" in link.dataset) required("keys", HTMLDialogElement).showModal();
  else openDialog(link.href);
});

// ── htmx: localise what it swapped in, report failures ───────────────
document.body.addEventListener("htmx:afterSwap", (event) => {
  localise(event.detail.elt ?? document);
  if (event.target instanceof Element) localise(event.target);
});
document.body.addEventListener("htmx:responseError", (event) => {
  const { status } = event.detail.xhr;
  if (status === 401) return showLoggedOut();
  if (event.detail.requestConfig.verb === "get") return;
  toast(status === 403 ? "You don't have permission to do that." : "Something went wrong. Try again.", { status: "error" });
});
document.body.addEventListener("htmx:sendError", (event) => {
  if (event.detail.requestConfig.verb !== "get") toast("Can't reach the server. Try again.", { status: "error" });
});

// ── Fields that submit their form when they change ───────────────────
document.addEventListener("change", (event) => {
  closest(event.target, "[data-submits]")?.closest("form")?.requestSubmit();
});

// ── Copying ──────────────────────────────────────────────────────────
document.addEventListener("click", async (event) => {
  const copies = closest(event.target, "[data-copies]")?.dataset.copies;
  if (copies) {
    const source = required(copies);
    try {
      await navigator.clipboard.writeText(source.textContent ?? "");
      toast("Copied.");
    } catch {
      getSelection()?.selectAllChildren(source); // no secure context: the user has to press Ctrl-C
      toast("Couldn't copy. Press Ctrl+C to copy the selection.", { status: "warn" });
    }
  }
});

// ── Start ────────────────────────────────────────────────────────────
addEventListener("online", reconnectAll);
addEventListener("pageshow", (event) => { if (event.persisted && !isDirty()) location.reload(); });
document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  if (isLoggedOut()) return void reloadAfterLogin();
  tickSlowly();
  for (const socket of sockets) if (!socket.isOpen) socket.renew();
});

/** Reload the page if the user has logged in again in another tab. */
async function reloadAfterLogin() {
  const response = await fetchFragment(location.href, { method: "HEAD" }).catch(() => null);
  if (!response?.ok) return;
  leaveToLogin();
  location.reload();
}

let lookedAt = Date.now();
let ticks = 0;
setInterval(() => {
  if (document.hidden) return; // browsers slow down the timers of hidden pages
  if (Date.now() - lookedAt > SLEEP_MS) reconnectAll();
  lookedAt = Date.now();
  tick();
  if (++ticks % 30 === 0) tickSlowly();
  if (byId("conn")?.dataset.conn === "retrying") showConnection();
}, 1000);

// With this cookie the server, too, writes days and hours in the reader's time zone.
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
if (zone) document.cookie = `mc_zone=${zone}; path=${ROOT}/; max-age=31536000; samesite=lax`;

localise(document);
for (const form of all(document, "[data-noscript]")) form.hidden = true;
if (document.body.dataset.live === "yes" && byId("conn")) {
  const { position = "", output = "" } = document.body.dataset;
  new Socket(() => `/ws/pages?${new URLSearchParams({ since: position, output })}`, takeFrame, () => wake("mc:missed"));
}

// The frame of a run's end has no title: use the one from its start, or the one that the page shows.
/** @type {Map<string, string>} */
const titles = new Map();
/** @param {string} task */
const shownTitle = (task) => document.querySelector(`#card-${task} .card-title, [data-task="${task}"] #task-title`)?.textContent?.trim();

document.addEventListener("mc:frame", ({ detail: { event_type: name, data } }) => {
  if (name === "mc_task_started" && data.task_title) {
    titles.set(data.run_id, data.task_title);
    say(`${data.task_title}: started.`);
  } else if (name === "mc_run_parked") {
    const parked = titles.get(data.run_id) ?? (data.task_id && shownTitle(data.task_id));
    if (parked) say(`${parked}: ${data.message}`);
  } else if (name === "mc_task_completed") {
    const ended = titles.get(data.run_id) ?? (data.task_id && shownTitle(data.task_id));
    titles.delete(data.run_id);
    if (ended) say(`${ended}: ${data.status === "error" ? "failed" : data.status}.`);
  }
});
