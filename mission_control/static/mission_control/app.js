/* The shell of every page: the board's socket and the events its frames cause, time, dialogs, forms, notices.

   Each frame causes two kinds of events. `mc:frame` on the document carries the whole frame at once, for scripts
   that show output. `mc:task`, `mc:task:ID`, `mc:project`, `mc:project:ID`, `mc:run`, `mc:run:ID`, `mc:capacity`
   and `mc:activity` on the body are collected for a quarter of a second; they refresh the fragments that name them
   in `hx-trigger`. `mc:missed` does the same when frames may have been missed, so that everything shown is fetched again. */
import "./copy.js";
import "./keys.js";
import "./refresh.js";
import { isDirty, leaveToLogin, taken } from "./drafts.js";
import { ROOT, UNREACHABLE, byId, fetchFragment, isLoggedOut, localise, openDialog, parse, reasonOf, say, showLoggedOut, tick, tickSlowly, toast } from "./page.js";
import { openPalette } from "./palette.js";
import { Socket, reconnectAll, showConnection, sockets } from "./socket.js";
import { showCapacity, showNotifications } from "./topbar.js";

const SLEEP_MS = 15000; // after a clock jump this long the computer has slept, and its sockets may be dead
const GATHER_MS = 250;

// ── Frames ───────────────────────────────────────────────────────────
let gathered = new Set();
let timer = null;

/**
 * Trigger these events for the fragments that listen for them: at most four times a second, and always after the
 * last call.
 * @param {...string} names
 */
export function wake(...names) {
  for (const name of names) gathered.add(name);
  timer ??= setTimeout(() => {
    const now = gathered;
    [gathered, timer] = [new Set(), null];
    for (const name of now) window.htmx?.trigger(document.body, name);
    document.dispatchEvent(new CustomEvent("mc:wake", { detail: now }));
  }, GATHER_MS);
}

/** Dispatch a frame to the scripts of the page and wake the fragments that it changes. */
function takeFrame(frame) {
  const { event_type: name, data } = frame;
  if (name === "mc_capacity" && !showCapacity(data)) return; // each greeting is followed by the current numbers
  document.dispatchEvent(new CustomEvent("mc:frame", { detail: frame }));
  if (name === "mc_task_started" || name === "mc_task_completed") {
    wake("mc:run", "mc:task", `mc:run:${data.run_id}`);
    if (data.task_id) wake(`mc:task:${data.task_id}`);
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
  } else if (name?.startsWith("dw_")) {
    wake("mc:project", `mc:project:${data.project_id}`);
  }
}

// ── Dialogs and forms in them ────────────────────────────────────────
async function submitInDialog(form, button) {
  const dialog = byId("dialog");
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
      if (response.headers.get("X-Said")) toast(decodeURIComponent(response.headers.get("X-Said")));
      return wake("mc:task", "mc:missed");
    }
    const html = await response.text();
    if (!html.includes("dialog-h")) throw new Error(reasonOf(response));
    dialog.replaceChildren(parse(html));
    localise(dialog);
    (dialog.querySelector("[aria-invalid=true]") ?? dialog.querySelector("input:not([type=hidden])"))?.focus();
  } catch (error) {
    toast(error instanceof TypeError ? UNREACHABLE : error.message, { status: "error" });
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
  const hint = dialog.querySelector("[data-stays]") ?? byId("blank-stays").content.firstElementChild.cloneNode(true);
  dialog.querySelector("form").append(hint);
}

byId("dialog")?.addEventListener("cancel", ({ target }) => {
  if (isDirty(target)) toast("Your draft is saved. Open the form again to continue.");
});
byId("dialog")?.addEventListener("close", ({ target }) => target.replaceChildren());

document.addEventListener("submit", (event) => {
  if (event.defaultPrevented || !event.target.closest("#dialog") || event.target.method !== "post") return;
  event.preventDefault();
  submitInDialog(event.target, event.submitter);
});

document.addEventListener("click", (event) => {
  if (event.target.matches("dialog")) closeByBackdrop(event.target);
  if (event.target.closest("[data-close]")) {
    const dialog = event.target.closest("dialog");
    if (dialog) event.preventDefault();
    dialog?.close();
  }
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
  if (event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  const link = event.target.closest("a[data-dialog], a[data-palette], a[data-keys]");
  if (!link) return;
  event.preventDefault();
  link.closest("details.menu")?.removeAttribute("open");
  if ("palette" in link.dataset) openPalette();
  else if ("keys" in link.dataset) byId("keys").showModal();
  else openDialog(link.href);
});

// ── htmx: localise what it swapped in, report failures ───────────────
document.body.addEventListener("htmx:afterSwap", (event) => {
  localise(event.detail.elt ?? document);
  localise(event.target);
});
document.body.addEventListener("htmx:responseError", (event) => {
  const { status } = event.detail.xhr;
  if (status === 401) return showLoggedOut();
  if (status === 403) return event.detail.requestConfig.verb === "get" ? undefined : toast("You don't have permission to do that.", { status: "error" });
  if (event.detail.requestConfig.verb !== "get") toast("Something went wrong. Try again.", { status: "error" });
});
document.body.addEventListener("htmx:sendError", (event) => {
  if (event.detail.requestConfig.verb !== "get") toast("Can't reach the server. Try again.", { status: "error" });
});

// ── Fields that submit their form when they change ───────────────────
document.addEventListener("change", (event) => {
  if (event.target.matches("[data-submits]")) event.target.form.requestSubmit();
});

// ── Copying ──────────────────────────────────────────────────────────
document.addEventListener("click", async (event) => {
  const copies = event.target.closest("[data-copies]");
  if (copies) {
    const source = byId(copies.dataset.copies);
    try {
      await navigator.clipboard.writeText(source.textContent);
      toast("Copied.");
    } catch {
      getSelection().selectAllChildren(source); // no secure context: the user has to press Ctrl-C
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
for (const form of document.querySelectorAll("[data-noscript]")) form.hidden = true;
if (document.body.dataset.live === "yes" && byId("conn")) {
  const { position, output } = document.body.dataset;
  new Socket(() => `/ws/pages?${new URLSearchParams({ since: position, output })}`, takeFrame, () => wake("mc:missed"));
}

// The frame of a run's end has no title: use the one from its start, or the one that the page shows.
const titles = new Map();
const shownTitle = (task) => document.querySelector(`#card-${task} .card-title, [data-task="${task}"] #task-title`)?.textContent.trim();

document.addEventListener("mc:frame", ({ detail: { event_type: name, data } }) => {
  if (name === "mc_task_started" && data.task_title) {
    titles.set(data.run_id, data.task_title);
    say(`${data.task_title}: started.`);
  } else if (name === "mc_task_completed") {
    const ended = titles.get(data.run_id) ?? (data.task_id && shownTitle(data.task_id));
    titles.delete(data.run_id);
    if (ended) say(`${ended}: ${data.status === "error" ? "failed" : data.status}.`);
  }
});
