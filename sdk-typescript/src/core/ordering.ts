/** Orders what refers to each other (Kahn's algorithm). */

/**
 * Return every entry after those it names; those in or behind a cycle are left out.
 * @param names what each entry names; names of no entry are passed over
 */
export function innerFirst(names: ReadonlyMap<string, readonly string[]>): string[] {
  const waiting = new Map<string, number>();
  const users = new Map<string, string[]>();
  for (const [name, all] of names) {
    const inner = new Set(all.filter((other) => names.has(other)));
    waiting.set(name, inner.size);
    for (const other of inner) {
      const known = users.get(other);
      if (known) known.push(name);
      else users.set(other, [name]);
    }
  }
  const ready = [...waiting.keys()].filter((name) => waiting.get(name) === 0);
  for (const name of ready) {
    for (const user of users.get(name) ?? []) {
      const left = (waiting.get(user) ?? 0) - 1;
      waiting.set(user, left);
      if (left === 0) ready.push(user);
    }
  }
  return ready;
}
