/** Keeps the last good snapshot and its lists of members on disk: whole or not at all. */
import { createHash, randomUUID } from "node:crypto";
import { mkdir, open, readdir, readFile, rename, rm, stat, utimes } from "node:fs/promises";
import { dirname, join } from "node:path";

const FORM = "equipoise-snapshot-1";

/** A snapshot as it was received, and when. */
export interface Kept {
  readonly body: Buffer;
  readonly signature: string | null;
  readonly at: Date;
}

/** One file per server and key, and a folder of members; without a directory nothing is kept. */
export class Disk {
  readonly #path: string | null;
  readonly #members: string | null;

  constructor(directory: string | null, serverUrl: string, key: string) {
    const name = digest(Buffer.from(`${serverUrl}\n${key}`)).slice(0, 32);
    this.#path = directory === null ? null : join(directory, `${name}.node`);
    this.#members = directory === null ? null : join(directory, `${name}.members`);
  }

  /** Return what was kept; null when there is nothing, "damaged" when it cannot be trusted. */
  async load(): Promise<Kept | "damaged" | null> {
    if (this.#path === null) return null;
    try {
      const [content, { mtime }] = [await readFile(this.#path), await stat(this.#path)];
      const end = content.indexOf("\n");
      const [form, sum, signature] = content.subarray(0, end).toString("latin1").split("\t");
      const body = content.subarray(end + 1);
      const isWhole = form === FORM && sum === digest(Buffer.from(`${signature}\n`), body);
      return isWhole ? { body, signature: signature || null, at: mtime } : "damaged";
    } catch (cause) {
      return (cause as NodeJS.ErrnoException).code === "ENOENT" ? null : "damaged";
    }
  }

  /** Replace the file by rename, after its bytes reached the disk; when that fails the old one is still whole. */
  async store(body: Buffer, signature: string | null): Promise<void> {
    if (this.#path === null) return;
    const written = signature ?? "";
    const sum = digest(Buffer.from(`${written}\n`), body);
    await replace(this.#path, Buffer.concat([Buffer.from(`${FORM}\t${sum}\t${written}\n`, "latin1"), body]));
  }

  /** Note that what is kept is still current. */
  async touch(now: Date): Promise<void> {
    if (this.#path !== null) await utimes(this.#path, now, now).catch(() => undefined);
  }

  /** Return a list of members, or null; its content has to be checked against the address. */
  async members(address: string): Promise<Buffer | null> {
    if (this.#members === null) return null;
    return readFile(join(this.#members, address)).catch(() => null);
  }

  async storeMembers(address: string, data: Buffer): Promise<void> {
    if (this.#members !== null) await replace(join(this.#members, address), data);
  }

  /** Remove the lists that no snapshot needs any more. */
  async keepMembers(addresses: ReadonlySet<string>): Promise<void> {
    const folder = this.#members;
    if (folder === null) return;
    const names = await readdir(folder).catch(() => []);
    const unused = names.filter((name) => !addresses.has(name));
    await Promise.all(unused.map((name) => rm(join(folder, name), { force: true })));
  }
}

async function replace(path: string, content: Buffer): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const aside = `${path}.${randomUUID()}`;
  try {
    const file = await open(aside, "w", 0o600);
    try {
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(aside, path);
  } catch (cause) {
    await rm(aside, { force: true }).catch(() => undefined);
    throw cause;
  }
}

function digest(...parts: readonly Buffer[]): string {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest("hex");
}
