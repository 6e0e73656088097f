// @ts-check
/* The numbers in the top bar: slots in use and notifications. The page's socket sends them; nothing is fetched. */
import { all, byId, closest, required, requiredIn } from "./dom.js";
import { canAsk, notify } from "./notifier.js";
import { change, say } from "./page.js";

let title = document.title;

/**
 * Give the page another title, for example after its task was renamed.
 * @param {string} text
 */
export function rename(text) {
  title = text;
  showRunning();
}

/** The open questions that frames have announced. @type {Set<string>} */
const asked = new Set();
const ASKS = ".question[data-state=open], .card-asks, .slot-line[data-status=asks]";

/** Show in the title of the page that an agent asks and how many slots are busy, and on its icon whether any is. */
export function showRunning() {
  const running = Number(byId("capacity")?.dataset.running ?? 0);
  const asks = asked.size > 0 || document.querySelector(ASKS) ? "Asks · " : "";
  change(document, "title", `${asks}${running ? `(${running}) ` : ""}${title}`);
  const icon = required("favicon");
  icon.dataset.idle ??= icon.getAttribute("href") ?? "";
  const href = (running ? icon.dataset.live : icon.dataset.idle) ?? "";
  if (icon.getAttribute("href") !== href) icon.setAttribute("href", href);
}

/**
 * Show how many slots are in use, as `board/_capacity.html` does.
 * @param {Capacity} capacity
 * @returns {boolean} whether that is new
 */
export function showCapacity({ limit, running, queued, waiting, available }) {
  const link = byId("capacity");
  const shown = [limit, running, queued, waiting].join(" ");
  if (!link || link.dataset.shown === shown) return !link;
  link.dataset.shown = shown;
  const held = running + queued;
  link.dataset.running = String(held);
  link.toggleAttribute("data-full", !available || waiting > 0);
  const pips = Array.from({ length: limit <= Number(link.dataset.maxPips) ? limit : 0 }, () => document.createElement("i"));
  for (const pip of pips.slice(0, held)) pip.className = "on";
  const row = requiredIn(link, ".pips");
  row.replaceChildren(...pips);
  row.hidden = pips.length === 0;
  requiredIn(link, ".cap-w").textContent = `${held} of ${limit}${waiting ? ` · ${waiting} queued` : ""}`;
  showRunning();
  return true;
}

// ── Notifications ────────────────────────────────────────────────────
let announced = Number(byId("notifications-link")?.dataset.count ?? 0);

/**
 * Show how many notifications ask a person to act, as `activity/_notification_link.html` does.
 * @param {number} count
 */
export function showNotifications(count) {
  const link = byId("notifications-link");
  if (!(link instanceof HTMLAnchorElement)) return;
  link.dataset.count = String(count);
  link.ariaLabel = count === 0 ? "No notifications" : count === 1 ? "1 notification" : `${count} notifications`;
  const number = requiredIn(link, ".count");
  number.hidden = count === 0;
  number.textContent = count > 99 ? "99+" : String(count);
  if (count > announced) announce(link, count);
  announced = count;
}

/**
 * Announce new notifications to screen readers and, in a hidden tab, through the browser if the user allowed it.
 * @param {HTMLAnchorElement} link
 * @param {number} count
 */
function announce(link, count) {
  say(count === 1 ? "1 notification." : `${count} notifications.`);
  if (!document.hidden) return;
  const body = `${count === 1 ? "1 item needs" : `${count} items need`} your attention`;
  notify("Mission Control", { body, tag: "mission-control", href: link.href });
}

/**
 * Show or hide the buttons that ask for notifications of the browser. The browser is asked only on a click.
 * @param {ParentNode} root
 */
export function offerBrowserNotifications(root = document) {
  for (const offer of all(root, "#ask-browser, .question [data-ask-browser]")) offer.hidden = !canAsk();
}

document.addEventListener("click", async (event) => {
  if (!closest(event.target, "[data-ask-browser]")) return;
  await Notification.requestPermission();
  offerBrowserNotifications();
});

document.addEventListener("mc:frame", ({ detail: { event_type: name, data } }) => {
  if (name === "mc_question_created") asked.add(data.question.id);
  else if (name === "mc_question_answered") asked.delete(data.question.id);
  else return;
  showRunning();
});
document.addEventListener("mc:wake", ({ detail: names }) => {
  if (!names.has("mc:missed")) return;
  asked.clear(); // they may have been answered meanwhile; those that the page shows still count
  showRunning();
});
document.addEventListener("mc:placed", showRunning);

showRunning();
offerBrowserNotifications();
