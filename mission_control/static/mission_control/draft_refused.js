/* For pages without a login (the login itself, errors): a form that led here was not taken, so its draft stays. After
   the user logged out, which leads to the login without a next page, nothing stays. */
const PREFIX = "mc-draft ";

try {
  const isLoggedOut = location.pathname === document.body.dataset.login && !new URLSearchParams(location.search).has("next");
  if (isLoggedOut) new BroadcastChannel("mc-logout").postMessage("logged out");
  for (const name of Object.keys(sessionStorage).filter((one) => one.startsWith(PREFIX))) {
    if (isLoggedOut) sessionStorage.removeItem(name);
    else sessionStorage.setItem(name, JSON.stringify({ ...JSON.parse(sessionStorage.getItem(name)), isSent: false }));
  }
  for (const link of document.querySelectorAll("[data-back]")) {
    if (!document.referrer || new URL(document.referrer).origin !== location.origin) continue; // a page of others sent it
    link.href = document.referrer;
    link.hidden = false;
  }
} catch {
  // A browser that keeps nothing has no drafts.
}
