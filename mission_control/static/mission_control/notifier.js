// @ts-check
/* Notifications of the browser, where the user has allowed them. Phones show them only through a service worker. */

const WORKER = new URL("./notification_worker.js", import.meta.url);

/** Tell whether the user can still be asked, on a click, to allow notifications. */
export const canAsk = () => "Notification" in window && Notification.permission === "default";

/**
 * Show a notification that leads to a page.
 * @param {string} title
 * @param {{body: string, tag: string, href: string}} options
 */
export async function notify(title, { body, tag, href }) {
  if (!("Notification" in window) || Notification.permission !== "granted") return;
  try {
    const shown = new Notification(title, { body, tag });
    shown.addEventListener("click", () => { window.focus(); location.assign(href); });
  } catch { // TypeError on phones
    const worker = await navigator.serviceWorker?.register(WORKER);
    await worker?.showNotification(title, { body, tag, data: { href } });
  }
}
