/* Where drafts are kept: in this tab, for one user. A browser that keeps nothing only loses this help. */
const PREFIX = "mc-draft ";

/** The user whose drafts these are; empty on pages without a login. */
export const OWNER = document.body.dataset.user ?? "";

/** Return the keys of all drafts, also of other users. */
export function keys() {
  try {
    return Object.keys(sessionStorage).filter((name) => name.startsWith(PREFIX)).map((name) => name.slice(PREFIX.length));
  } catch {
    return [];
  }
}

/** Return a draft of this user, or null. */
export function read(key) {
  try {
    const draft = JSON.parse(sessionStorage.getItem(PREFIX + key));
    return draft?.owner === OWNER ? draft : null;
  } catch {
    return null;
  }
}

/** Keep a draft; one for which there is no room is not kept, and the page then only asks before it is left. */
export function write(key, draft) {
  try {
    sessionStorage.setItem(PREFIX + key, JSON.stringify({ ...draft, owner: OWNER }));
  } catch {
    remove(key);
  }
}

export function remove(key) {
  try {
    sessionStorage.removeItem(PREFIX + key);
  } catch {
    // Nothing was kept.
  }
}
