// @ts-check
/* The live strip on the admin's change page of a run or a task: its current status and number of events. */
import { byId, required, requiredIn } from "./dom.js";
import { fetchFragment, parse } from "./page.js";
import { Socket } from "./socket.js";

const strip = required("live");
const taskPage = byId("live-task") !== null;
const at = { run: strip.dataset.run, seq: Number(strip.dataset.seq), updated: strip.dataset.updated ?? "" };

/** Return the socket's path, with the replay position of the run that is shown. */
function path() {
  const resumed = at.run ? `${taskPage ? `run=${at.run}&` : ""}after=${at.seq}` : "";
  return `${strip.dataset.socket}?${resumed}`;
}

/**
 * Show a status in the badge of one part of the strip: its icon and its word.
 * @param {string} place the id of the part
 * @param {"r" | "s"} kind of a run or of a task
 * @param {string} status
 */
function show(place, kind, status) {
  const badge = required(place).querySelector(".mc-badge");
  if (!(badge instanceof HTMLElement) || badge.dataset.status === status) return;
  badge.dataset.status = status;
  requiredIn(badge, "use", SVGUseElement).setAttribute("href", `#i-${kind}-${status}`);
  const word = status.replace(/(^|_)(.)/g, (_, gap, letter) => (gap && " ") + letter.toUpperCase());
  requiredIn(badge, "[data-word]").textContent = word;
}

/** Fetch the run's part of the strip when the task has another run. The form stays as the user has filled it in. */
let refreshing = false;
let again = false;
async function refresh() {
  again = true;
  if (refreshing) return;
  refreshing = true;
  try {
    while (again) {
      again = false;
      const fresh = parse(await (await fetchFragment(location.href)).text()).querySelector("#live");
      if (!(fresh instanceof HTMLElement)) break;
      required("live-run").replaceWith(requiredIn(fresh, "#live-run"));
      at.run = fresh.dataset.run;
      at.seq = Number(fresh.dataset.seq);
    }
  } finally {
    refreshing = false;
  }
}

/**
 * Show the status and the last event number of a run, unless the strip already shows a later event.
 * @param {{run_id: string, seq: number}} event
 * @param {string} status
 */
function showRun({ run_id, seq }, status) {
  if (run_id !== at.run) return refresh();
  if (seq <= at.seq) return;
  at.seq = seq;
  requiredIn(required("live-run"), "[data-seq-shown]").textContent = String(seq);
  show("live-run", "r", status);
  if (!taskPage && !["queued", "running", "parked"].includes(status)) socket.close();
}

/** @param {Frame} frame */
function onFrame({ event_type, data }) {
  if (event_type === "mc_task_started") showRun(data, "queued");
  else if (event_type === "mc_run_parked") showRun(data, "parked");
  else if (event_type === "mc_run_resumed") showRun(data, "queued");
  else if (event_type === "mc_task_output") showRun(data, "running");
  else if (event_type === "mc_task_completed") showRun(data, data.status);
  else if (event_type === "mc_task_updated" && taskPage && Date.parse(data.task.updated_at) >= Date.parse(at.updated)) {
    at.updated = data.task.updated_at;
    show("live-task", "s", data.task.status);
  }
}

const socket = new Socket(path, onFrame, () => {});
