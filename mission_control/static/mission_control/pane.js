/* The open task: its bar, its output as it comes, and the place in the address bar. */
import { clearOutput, entryOf, show, toTail, watchStream } from "./output.js";
import { byId, fetchFragment, localise, parse, swap, withPage } from "./page.js";
import { Socket, reconnectAll } from "./socket.js";

const RELOAD_MS = 2000;

export const pane = { task: null, run: "", lastSeq: 0, follows: false, socket: null };

export function adopt() {
  const section = byId("pane");
  pane.socket?.close();
  Object.assign(pane, { task: null, socket: null });
  if (!section) return;
  pane.task = section.dataset.task;
  pane.run = section.dataset.run;
  pane.lastSeq = Number(section.dataset.lastSeq);
  pane.follows = section.dataset.follows === "yes";
  localise(section);
  const stream = byId("stream");
  if (!stream) return;
  watchStream(stream);
  section.querySelector("[data-retry]").addEventListener("click", reconnectAll);
  if (pane.follows) pane.socket = new Socket(taskSocketPath, takeFrame, refreshSummary);
}

function taskSocketPath() {
  const path = `/ws/mission-control/tasks/${pane.task}`;
  return pane.run ? `${path}?run=${pane.run}&after=${pane.lastSeq}` : path;
}

let opening = 0;

export async function openTask(task, { push = true } = {}) {
  const mine = ++opening;
  try {
    const response = await fetchFragment(withPage(`/tasks/${task}/pane`));
    if (!response.ok) return location.assign(`/tasks/${task}`);
    const html = await response.text();
    if (mine !== opening) return; // another was opened meanwhile
    byId("pane").replaceWith(parse(html).firstElementChild);
  } catch {
    return location.assign(`/tasks/${task}`);
  }
  adopt();
  for (const row of document.querySelectorAll(".task[aria-current]")) row.removeAttribute("aria-current");
  byId(`task-${task}`)?.setAttribute("aria-current", "true");
  if (push) navigate(task);
}

function navigate(task) {
  const url = withPage(`/tasks/${task}`);
  if (location.pathname !== `/tasks/${task}`) history.pushState(null, "", url);
  showPlace();
}

export function showPlace() {
  const atTask = location.pathname.startsWith("/tasks/");
  const changed = document.body.classList.contains("at-task") !== atTask;
  document.body.className = atTask ? "at-task" : "at-list";
  const title = byId("pane-h")?.textContent;
  document.title = atTask && title ? `${title} · Mission Control` : "Mission Control";
  if (changed && matchMedia("(max-width: 59.99rem)").matches) {
    scrollTo(0, 0);
    byId(atTask ? "pane-h" : "tasks-h")?.focus({ preventScroll: true });
    toTail();
  }
}

export async function refreshSummary() {
  const task = pane.task;
  try {
    const response = await fetchFragment(withPage(`/tasks/${task}/summary`));
    if (!response.ok || task !== pane.task) return;
    const fresh = parse(await response.text());
    const folded = document.querySelector("#deliverable details:not([open])") || !byId("deliverable")?.childElementCount;
    if (folded) fresh.querySelector("#deliverable details")?.removeAttribute("open");
    for (const id of ["run-bar", "attempts", "deliverable"]) {
      const [old, newer] = [byId(id), fresh.querySelector(`#${id}`)];
      if (old && newer && (pane.follows || id !== "attempts")) swap(old, newer);
    }
  } catch {
    // Fetched anew when the connection is back.
  }
}

/** Show the run that just began: where the pane follows already, its first event will turn up there. */
export async function follow(task) {
  if (pane.task === task && pane.follows && pane.socket?.isOpen) {
    await refreshSummary();
    if (!document.body.classList.contains("at-task")) navigate(task);
  } else {
    await openTask(task);
  }
}

export function showNotice(notice) {
  byId("pane-notice").replaceChildren(...(notice ? [notice.cloneNode(true)] : []));
}

let reloadedAt = 0;

function takeFrame(frame) {
  const { event_type: name, data } = frame;
  if (!data?.run_id) return;
  if (data.run_id !== pane.run) {
    if (name !== "mc_task_started") return fetchAnew();
    beginRun(data.run_id);
  }
  if (data.seq <= pane.lastSeq) return;
  if (data.seq !== pane.lastSeq + 1) return fetchAnew();
  pane.lastSeq = data.seq;
  byId("pane").dataset.lastSeq = data.seq;
  show(entryOf(name, data));
  if (name !== "mc_task_output") refreshSummary();
}

/** The stored output is the truth: read it where the numbers do not join. */
function fetchAnew() {
  if (Date.now() - reloadedAt < RELOAD_MS) return;
  reloadedAt = Date.now();
  openTask(pane.task, { push: false });
}

function beginRun(run) {
  pane.run = run;
  pane.lastSeq = 0;
  byId("pane").dataset.run = run;
  clearOutput();
  showNotice(null);
}
