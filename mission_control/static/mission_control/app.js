/* The plain page's live part. Without it all works by forms and reloads.

   Two sockets: the board's tells which rows changed, the open task's carries its output. What an agent wrote
   becomes text and nothing else (textContent); markup comes from the server's fragments alone. */
import { byId, fetchFragment, localise, parse, say, tick } from "./page.js";
import { adopt, follow, openTask, pane, refreshSummary, showNotice, showPlace } from "./pane.js";
import { placeRow, refreshCapacity, refreshDependents, refreshRow, refreshRows } from "./rows.js";
import { Socket, reconnectAll, showConnection, sockets } from "./socket.js";

const SLEEP_MS = 15000; // a clock that jumped so far slept, and its sockets are not to be believed

// ── Actions: a form's answer is the task's row ───────────────────────
async function submitForm(form, button) {
  if (form.dataset.busy) return;
  form.dataset.busy = "yes";
  button?.setAttribute("aria-busy", "true");
  const task = form.action.match(/tasks\/([^/]+)\//)[1];
  const inPane = form.closest("#pane") !== null;
  try {
    const response = await fetchFragment(form.action, { method: "POST", body: new FormData(form, button) });
    const row = parse(await response.text()).querySelector(".task");
    if (!row) throw new Error(response.status === 403 ? "This page is out of date: reload it." : "The server refused it.");
    if (inPane) showNotice(row.querySelector(".notice"));
    if (byId(row.id)) placeRow(row);
    refreshCapacity();
    if (row.dataset.said) say(row.dataset.said);
    if (response.ok && form.dataset.action === "run") await follow(task);
    else if (pane.task === task) await refreshSummary();
  } catch (error) {
    fail(form, error);
  } finally {
    delete form.dataset.busy;
    button?.removeAttribute("aria-busy");
  }
}

function fail(form, error) {
  const silent = "The server does not answer. Whether it was done shows when it is back.";
  const text = error instanceof TypeError ? silent : error.message;
  const place = form.closest(".task")?.querySelector(".task-main") ?? byId("pane-notice");
  place.querySelector(".notice")?.remove();
  const notice = byId("blank-error").content.querySelector(".notice").cloneNode(true);
  notice.querySelector(".notice-t").textContent = "That did not work";
  notice.querySelector("[data-text]").textContent = text;
  notice.querySelector(".quiet")?.remove();
  notice.setAttribute("role", "alert");
  place.append(notice);
}

// ── What the board's socket tells ────────────────────────────────────
function takeBoardFrame({ event_type: name, data }) {
  if (name === "mc_task_started" || name === "mc_task_completed") {
    refreshRow(data.task_id);
    refreshCapacity();
    const title = byId(`task-${data.task_id}`)?.querySelector(".task-title")?.textContent.trim();
    if (title) say(`${title}: ${name === "mc_task_started" ? "started" : data.status}.`);
    if (name === "mc_task_completed") refreshDependents(data.task_id);
  } else if (name === "mc_task_updated") {
    refreshRow(data.task.id);
    refreshDependents(data.task.id);
  } else if (name === "mc_capacity") {
    refreshCapacity();
  }
}

// ── Start ────────────────────────────────────────────────────────────
document.addEventListener("submit", (event) => {
  if (!event.target.matches("form[data-action]")) return;
  event.preventDefault();
  submitForm(event.target, event.submitter);
});

document.addEventListener("click", (event) => {
  if (event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  const link = event.target.closest("a[data-open], a[data-back]");
  if (!link || !byId("pane")) return;
  event.preventDefault();
  if (link.dataset.open) return openTask(link.dataset.open);
  history.pushState(null, "", link.href);
  showPlace();
});

addEventListener("popstate", () => {
  const task = location.pathname.match(/^\/tasks\/([^/]+)$/)?.[1];
  if (task && task !== pane.task) openTask(task, { push: false }).then(showPlace);
  else showPlace();
});
addEventListener("online", reconnectAll);
addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  for (const socket of sockets) if (!socket.isOpen) socket.renew();
});

let lookedAt = Date.now();
setInterval(() => {
  if (document.hidden) return; // a browser winds these clocks as it likes
  if (Date.now() - lookedAt > SLEEP_MS) reconnectAll();
  lookedAt = Date.now();
  tick();
  if (byId("conn").dataset.conn === "retrying") showConnection();
}, 1000);

localise(document);
adopt();
if (document.body.dataset.live === "yes") new Socket(() => "/ws/mission-control", takeBoardFrame, refreshRows);
