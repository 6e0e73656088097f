// What node lacks of a browser's storage.

/** Storage as in a browser: values are strings, keys are own properties. With `room`, a longer value is refused. */
export class Storage {
  /** @param {number} [room] */
  constructor(room = Infinity) {
    Object.defineProperty(this, "room", { value: room, writable: true });
  }

  getItem(name) {
    return Object.hasOwn(this, name) ? this[name] : null;
  }

  setItem(name, value) {
    if (String(value).length > this.room) throw new Error("QuotaExceededError");
    this[name] = String(value);
  }

  removeItem(name) {
    delete this[name];
  }
}
