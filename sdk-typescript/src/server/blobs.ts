/** Gets the lists of members that snapshots name: from memory, from disk, or from the server; checks each once. */
import { sha256 } from "../core/canonical.js";
import { Members } from "../core/members.js";
import type { Troubles } from "../reporting/troubles.js";
import type { Disk } from "./disk.js";
import type { Transport } from "./transport.js";

const LARGEST_BYTES = 40 * 2 ** 20;
const LARGEST_SUM_BYTES = 200 * 2 ** 20;
const WITHIN_SECONDS = 10;

export class Blobs {
  readonly #known = new Map<string, Members>();

  constructor(
    readonly transport: Transport,
    readonly disk: Disk,
    readonly troubles: Troubles,
  ) {}

  /** Return those of the lists that can be had; forget all others. Never throws. */
  async fetch(addresses: ReadonlySet<string>, from: "anywhere" | "disk"): Promise<ReadonlyMap<string, Members>> {
    for (const address of this.#known.keys()) if (!addresses.has(address)) this.#known.delete(address);
    const deadline = from === "disk" ? 0 : Date.now() + WITHIN_SECONDS * 1000;
    let isWhole = true;
    for (const address of addresses) {
      if (!this.#known.has(address)) isWhole = (await this.#get(address, deadline)) && isWhole;
    }
    if (isWhole) {
      this.troubles.over("members");
      await this.disk.keepMembers(addresses);
    }
    return new Map(this.#known);
  }

  async #get(address: string, deadline: number): Promise<boolean> {
    try {
      const kept = await this.disk.members(address);
      if (kept !== null && (await this.#take(address, kept))) return true;
      if (deadline === 0) return false;
      const data = await this.#download(address, deadline);
      if (!(await this.#take(address, data))) throw new Error("it does not have the content of its address");
      await this.disk.storeMembers(address, data).catch(() => undefined);
      return true;
    } catch (cause) {
      const told = cause instanceof Error ? cause.message : String(cause);
      this.troubles.note("members", `a list of members could not be had: ${told}`);
      return false;
    }
  }

  async #download(address: string, deadline: number): Promise<Buffer> {
    const held = [...this.#known.values()].reduce((sum, members) => sum + members.size * 8, 0);
    const room = Math.min(LARGEST_BYTES, LARGEST_SUM_BYTES - held);
    const seconds = (deadline - Date.now()) / 1000;
    if (room <= 0 || seconds <= 0) throw new Error("the lists of this snapshot are too large or too slow");
    const answer = await this.transport.members(address, room, seconds);
    if (answer.status !== 200) throw new Error(`the server answered ${answer.status}`);
    return answer.body;
  }

  async #take(address: string, data: Buffer): Promise<boolean> {
    const bytes = new Uint8Array(data);
    if ((await sha256(bytes)) !== address) return false;
    this.#known.set(address, new Members(bytes));
    return true;
  }
}
