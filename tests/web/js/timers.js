// Time that passes only when a test says so. (node's own mock timers are called differently in each of its versions.)

/** Replace setTimeout and Date.now by ones that `pass` moves on. */
export function stopTime() {
  let now = 1_000_000;
  let lastId = 0;
  const waiting = new Map(); // id → what to call, and when
  Date.now = () => now;
  globalThis.setTimeout = (call, ms = 0) => {
    lastId += 1;
    waiting.set(lastId, { call, at: now + ms });
    return lastId;
  };
  globalThis.clearTimeout = (id) => void waiting.delete(id);
  /** Let time pass, and call what is due, in order. */
  return function pass(ms) {
    const end = now + ms;
    for (;;) {
      const [next] = [...waiting].filter(([, { at }]) => at <= end).sort(([, one], [, other]) => one.at - other.at);
      if (!next) break;
      waiting.delete(next[0]);
      now = next[1].at;
      next[1].call();
    }
    now = end;
  };
}
