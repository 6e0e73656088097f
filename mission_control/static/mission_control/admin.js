/* The strip on the admin's change page of a run or a task: the status and the number of events as they now stand. */
import { byId, fetchFragment, parse } from "./page.js";
import { Socket } from "./socket.js";

const strip = byId("live");
const taskPage = byId("live-task") !== null;
const at = { run: strip.dataset.run, seq: Number(strip.dataset.seq), updated: strip.dataset.updated };

function path() {
  const resumed = at.run ? `${taskPage ? `run=${at.run}&` : ""}after=${at.seq}` : "";
  return `${strip.dataset.socket}?${resumed}`;
}

function show(place, kind, status) {
  const badge = byId(place).querySelector(".mc-badge");
  if (!badge || badge.dataset.status === status) return;
  badge.dataset.status = status;
  badge.querySelector("use").setAttribute("href", `#i-${kind}-${status}`);
  const word = status.replace(/(^|_)(.)/g, (_, gap, letter) => (gap && " ") + letter.toUpperCase());
  badge.querySelector("[data-word]").textContent = word;
}

/** Another run of the task: take its part of the strip from the server. The form, half filled in, stays. */
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
      if (!fresh) break;
      byId("live-run").replaceWith(fresh.querySelector("#live-run"));
      at.run = fresh.dataset.run;
      at.seq = Number(fresh.dataset.seq);
    }
  } finally {
    refreshing = false;
  }
}

function showRun({ run_id, seq }, status) {
  if (run_id !== at.run) return refresh();
  if (seq <= at.seq) return;
  at.seq = seq;
  byId("live-run").querySelector("[data-seq-shown]").textContent = seq;
  show("live-run", "r", status);
  if (!taskPage && status !== "queued" && status !== "running") socket.close();
}

function onFrame({ event_type, data }) {
  if (event_type === "mc_task_started") showRun(data, "queued");
  else if (event_type === "mc_task_output") showRun(data, "running");
  else if (event_type === "mc_task_completed") showRun(data, data.status);
  else if (event_type === "mc_task_updated" && taskPage && Date.parse(data.task.updated_at) >= Date.parse(at.updated)) {
    at.updated = data.task.updated_at;
    show("live-task", "s", data.task.status);
  }
}

const socket = new Socket(path, onFrame, () => {});
