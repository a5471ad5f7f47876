/** Equipoise in Node: decides flags from a snapshot that is kept current, and reports what units met. */
import { compileSnapshot } from "../core/snapshot.js";
import { CONSOLE } from "../reporting/troubles.js";
import { Client } from "./client.js";
import { Connection } from "./connection.js";
import { Keeper } from "../delivery/keeper.js";
import { settingsOf, WORLD, type Options } from "./settings.js";

export { Decision } from "../core/decisions.js";
export type { Enrolment, ErrorCode, Metadata, Reason } from "../core/decisions.js";
export type { Context, Json, Widened } from "../core/values.js";
export { Client } from "./client.js";
export type { Exposing, Scope, Status, When } from "./client.js";
export type { Options, Outside } from "./settings.js";
export { MemoryStickyStore } from "./sticky.js";
export type { StickyStore } from "./sticky.js";

/**
 * Return a client of a server, within `startTimeoutSeconds` whatever the network does.
 * @param serverUrl such as "https://flags.example.org"
 * @param key a server key of one environment
 * @throws {TypeError} for bad arguments, all at once; never for trouble with the network
 */
export async function connect(serverUrl: string, key: string, options: Options = {}): Promise<Client> {
  const settings = settingsOf(serverUrl, key, options);
  const connection = await Connection.open(settings);
  const { keeper, outbox } = connection;
  return new Client({ ...settings, keeper, reports: outbox, connection });
}

/** A client for tests: serves one document, sends nothing, remembers in `recorded` what it would have sent. */
export class InMemoryClient extends Client {
  readonly recorded: Readonly<Record<string, unknown>>[];

  /** @throws {SnapshotError} when the document as a whole is unusable */
  constructor(document: unknown, options: Pick<Options, "exposureAttributes" | "logger" | "outside" | "stickyStore">) {
    const recorded: Readonly<Record<string, unknown>>[] = [];
    const { exposureAttributes = [], logger = CONSOLE, outside = WORLD, stickyStore = null } = options;
    const keeper = new Keeper();
    const snapshot = compileSnapshot(document);
    keeper.serving = { snapshot, source: "memory", confirmedAt: outside.now(), body: "", kills: [] };
    const reports = {
      queued: 0,
      dropped: 0,
      put: (_kind: string, event: string) => recorded.push(JSON.parse(event)) > 0,
      drop: () => undefined,
    };
    super({ keeper, reports, outside, logger, exposureAttributes, stickyStore, connection: null });
    this.recorded = recorded;
  }
}

export function inMemory(
  document: unknown,
  options: Pick<Options, "exposureAttributes" | "logger" | "outside" | "stickyStore"> = {},
): InMemoryClient {
  return new InMemoryClient(document, options);
}
