/* What all parts need: fragments of the server's markup, and time. */
export const byId = (id) => document.getElementById(id);

export async function fetchFragment(url, options = {}) {
  const response = await fetch(url, { ...options, headers: { "X-Fragment": "1" }, cache: "no-store" });
  if (response.redirected) location.reload(); // the session has ended: the page leads to the login
  return response;
}

export function parse(html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  return template.content;
}

export function withPage(url) {
  const page = new URLSearchParams(location.search).get("page");
  return page ? `${url}${url.includes("?") ? "&" : "?"}page=${page}` : url;
}

export function say(text) {
  byId("say").textContent = text;
}

function clock(seconds) {
  const two = (number) => String(number).padStart(2, "0");
  const [hours, minutes, rest] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  return hours ? `${hours}:${two(minutes)}:${two(rest)}` : `${two(minutes)}:${two(rest)}`;
}

/** Show moments in the reader's own time, and note since when elapsed times run: no clocks are compared. */
export function localise(root) {
  for (const time of root.querySelectorAll("time[data-clock][datetime]")) setMoment(time, time.dateTime);
  for (const time of root.querySelectorAll("time[data-elapsed]")) {
    time.startedAt ??= Date.now() - Number(time.dataset.elapsed) * 1000;
  }
}

export function setMoment(time, iso) {
  const moment = new Date(iso);
  time.dateTime = iso;
  time.textContent = moment.toLocaleTimeString("en-GB");
  time.title = moment.toLocaleString();
}

export function tick() {
  for (const time of document.querySelectorAll("time[data-elapsed]")) {
    time.textContent = clock(Math.max(Math.floor((Date.now() - time.startedAt) / 1000), 0));
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
  if (focused) {
    const heirs = [...fresh.querySelectorAll(`[data-key="${focused}"]`)];
    (heirs.find((heir) => heir.offsetParent) ?? fresh.querySelector("a"))?.focus({ preventScroll: true });
  }
}
