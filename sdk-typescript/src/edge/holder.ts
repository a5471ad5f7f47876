/** Holds the snapshot of one worker: in memory, behind it in the worker's cache, and asked for again when it is old. */
import { namedBlobs, Members } from "../core/members.js";
import { sha256 } from "../core/canonical.js";
import { Verifier } from "../core/signatures.js";
import { compileSnapshot, type Snapshot } from "../core/snapshot.js";
import { refused, refuseOlder, Refused, vetted } from "../delivery/vetting.js";
import type { Troubles } from "../reporting/troubles.js";
import type { Settings } from "./settings.js";

const LARGEST_SNAPSHOT = 20 * 2 ** 20;
const LARGEST_MEMBERS = 40 * 2 ** 20;

/** What outlives the request that a worker answers. */
export interface Lifetime {
  waitUntil(work: Promise<unknown>): void;
}

/**
 * Requests of a worker share memory, and must not wait for each other's promises: whoever comes while others ask for
 * a first snapshot asks too, whoever finds an old one lets one request renew it, and a server that fails is left alone.
 */
export class Holder {
  snapshot: Snapshot | null = null;
  #etag: string | null = null;
  #askedAt = -Infinity;
  #asking = 0;
  #hasLookedInCache = false;
  readonly #members = new Map<string, Members>();

  constructor(
    readonly settings: Settings,
    readonly troubles: Troubles,
  ) {}

  /** Return the snapshot in use; waits only while there is none, and not for long. Never throws. */
  async current(lifetime: Lifetime): Promise<Snapshot | null> {
    if (this.snapshot === null && !this.#hasLookedInCache) await this.#fromCache();
    const { now } = this.settings.outside;
    const isOld = now().getTime() - this.#askedAt >= this.settings.refreshSeconds * 1000;
    const isFirst = this.snapshot === null && this.#asking > 0;
    if (!isOld && !isFirst) return this.snapshot;
    this.#askedAt = now().getTime();
    this.#asking += 1;
    const asking = this.#ask().finally(() => (this.#asking -= 1));
    if (this.snapshot !== null) lifetime.waitUntil(asking);
    else await asking;
    return this.snapshot;
  }

  async #ask(): Promise<void> {
    const { requestTimeoutSeconds, serverUrl } = this.settings;
    try {
      const headers = { ...this.#headers(), ...(this.#etag === null ? {} : { "if-none-match": this.#etag }) };
      const signal = AbortSignal.timeout(requestTimeoutSeconds * 1000);
      const answer = await this.settings.fetch(`${serverUrl}/v1/snapshot`, { headers, signal });
      if (answer.status === 304) return this.troubles.over("snapshot");
      if (answer.status !== 200) throw new Refused(`the server answered ${answer.status}`);
      const [body, signature] = [await answer.text(), answer.headers.get("equipoise-signature")];
      if (body.length > LARGEST_SNAPSHOT) throw new Refused("it is too large");
      await this.#take(body, signature);
      this.#etag = answer.headers.get("etag");
      this.troubles.over("snapshot");
      await this.#keep(body, signature);
    } catch (cause) {
      this.troubles.note("snapshot", `no new snapshot: ${cause instanceof Error ? cause.message : String(cause)}`);
    }
  }

  async #take(body: string, signature: string | null): Promise<void> {
    const { verifyKeys } = this.settings;
    const verifier = verifyKeys === null ? null : await Verifier.of(verifyKeys);
    const { document, snapshot } = await vetted({ body, signature }, verifier).catch(refused);
    const addresses = namedBlobs(document);
    await Promise.all([...addresses].map((address) => this.#fetchMembers(address)));
    refuseOlder(snapshot, this.snapshot); // after the last wait: another request may have been faster
    this.snapshot = addresses.size === 0 ? snapshot : compileSnapshot(document, this.#members);
  }

  /** A list that cannot be had spoils the flags that use it; the next snapshot tries again. */
  async #fetchMembers(address: string): Promise<void> {
    if (this.#members.has(address)) return;
    const { requestTimeoutSeconds, serverUrl } = this.settings;
    const signal = AbortSignal.timeout(requestTimeoutSeconds * 1000);
    try {
      const answer = await this.settings.fetch(`${serverUrl}/v1/members/${address}`, {
        headers: this.#headers(),
        signal,
      });
      const data = new Uint8Array(await answer.arrayBuffer());
      if (data.length > LARGEST_MEMBERS || (await sha256(data)) !== address) throw new Error("it is another list");
      this.#members.set(address, new Members(data));
    } catch (cause) {
      this.troubles.say("members", `a list of members could not be had: ${String(cause)}`);
    }
  }

  /** A worker that has just started begins with what another one of its place kept. */
  async #fromCache(): Promise<void> {
    this.#hasLookedInCache = true;
    try {
      const kept = await this.settings.cache?.match(this.#cacheKey());
      if (kept) await this.#take(await kept.text(), kept.headers.get("equipoise-signature"));
    } catch (cause) {
      this.troubles.say("cache", `the snapshot in the cache is ignored: ${String(cause)}`);
    }
  }

  async #keep(body: string, signature: string | null): Promise<void> {
    const headers = {
      "cache-control": "max-age=2592000",
      ...(signature === null ? {} : { "equipoise-signature": signature }),
    };
    await this.settings.cache?.put(this.#cacheKey(), new Response(body, { headers })).catch(() => undefined);
  }

  #cacheKey(): string {
    return `${this.settings.serverUrl}/v1/snapshot?kept-for=${this.settings.cacheName}`;
  }

  #headers(): Record<string, string> {
    return { authorization: `Bearer ${this.settings.key}` };
  }
}
