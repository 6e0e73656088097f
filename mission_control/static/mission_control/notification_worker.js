// @ts-check
/* The service worker of notifications on phones. It only opens the page that a notification leads to. */

/** @typedef {{notification: Notification, waitUntil: (work: Promise<unknown>) => void}} Click */
const worker = /** @type {any} */ (globalThis);

worker.addEventListener("notificationclick", (/** @type {Click} */ event) => {
  event.notification.close();
  event.waitUntil(worker.clients.openWindow(event.notification.data.href));
});
