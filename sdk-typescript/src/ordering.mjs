/** Orders what refers to each other (Kahn's algorithm). */

/**
 * Every entry after those it names; those in or behind a cycle are left out.
 * @param {Map<string, string[]>} names what each entry names; names of no entry are passed over
 * @returns {string[]}
 */
export function innerFirst(names) {
  const waiting = new Map();
  const users = new Map();
  for (const [name, all] of names) {
    const inner = new Set(all.filter((other) => names.has(other)));
    waiting.set(name, inner.size);
    for (const other of inner) users.set(other, [...(users.get(other) ?? []), name]);
  }
  const ready = [...waiting.keys()].filter((name) => waiting.get(name) === 0);
  for (const name of ready) {
    for (const user of users.get(name) ?? []) {
      waiting.set(user, waiting.get(user) - 1);
      if (waiting.get(user) === 0) ready.push(user);
    }
  }
  return ready;
}
