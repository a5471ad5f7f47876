/** What a worker asks for, checked as a whole. */
import { hashUnit } from "../core/hashing.js";
import { areKeys } from "../core/signatures.js";
import type { Table } from "../core/values.js";
import { CONSOLE, type Logger } from "../reporting/troubles.js";

export interface EdgeOptions {
  /** Such as "https://flags.example.org". */
  readonly serverUrl: string;
  /** A server key of one environment; it never reaches a page. */
  readonly key: string;
  /** The type of the unit that the cookie holds, such as "visitor". */
  readonly unitType: string;
  /** The flags that the markup depends on: each combination of their variants is cached apart. */
  readonly flags: readonly string[];
  /** Flags whose values pages may see besides; default: all. */
  readonly shared?: readonly string[];
  /** Default: "equipoise_unit". */
  readonly cookieName?: string;
  /** Default: 365. */
  readonly cookieDays?: number;
  /** What is known of a visitor, such as the country. */
  readonly attributesOf?: (request: Request) => Table;
  /** How old a snapshot may grow before it is asked for again. Default: 10. */
  readonly refreshSeconds?: number;
  /** For one request to the server; the first page of a cold worker waits that long at most. Default: 1. */
  readonly requestTimeoutSeconds?: number;
  readonly exposureAttributes?: readonly string[];
  /** Raw Ed25519 public keys in base64: whatever is not signed with one of them is refused. */
  readonly verifyKeys?: readonly string[];
  /** Where workers of one place share the last snapshot. Default: `caches.default`; null shares none. */
  readonly cache?: EdgeCache | null;
  readonly logger?: Logger;
  readonly fetch?: typeof fetch;
}

/** What is needed of the Cache API. */
export interface EdgeCache {
  match(key: string): Promise<Response | undefined>;
  put(key: string, response: Response): Promise<void>;
}

export interface Settings extends Required<Omit<EdgeOptions, "shared" | "cache" | "verifyKeys">> {
  readonly shared: readonly string[] | null;
  readonly cache: EdgeCache | null;
  readonly cacheName: string;
  readonly verifyKeys: readonly string[] | null;
  readonly outside: { readonly now: () => Date; readonly newId: () => string };
}

/** @throws {TypeError} lists every bad argument */
export function settingsOf(options: EdgeOptions): Settings {
  const problems = problemsOf(options);
  if (problems.length > 0) throw new TypeError(problems.join("; "));
  const { serverUrl, key } = options;
  return {
    ...options,
    serverUrl: serverUrl.replace(/\/+$/, ""),
    flags: [...options.flags].sort(),
    shared: options.shared ?? null,
    cookieName: options.cookieName ?? "equipoise_unit",
    cookieDays: options.cookieDays ?? 365,
    attributesOf: options.attributesOf ?? (() => ({})),
    refreshSeconds: options.refreshSeconds ?? 10,
    requestTimeoutSeconds: options.requestTimeoutSeconds ?? 1,
    exposureAttributes: options.exposureAttributes ?? [],
    verifyKeys: options.verifyKeys ?? null,
    cache: options.cache === undefined ? placeCache() : options.cache,
    cacheName: hashUnit("cache", key).toString(36),
    logger: options.logger ?? CONSOLE,
    fetch: options.fetch ?? ((input, init) => fetch(input, init)),
    outside: { now: () => new Date(), newId: () => crypto.randomUUID() },
  };
}

function problemsOf({ serverUrl, key, unitType, flags, cookieName, verifyKeys }: EdgeOptions): string[] {
  const checks: readonly (readonly [boolean, string])[] = [
    [
      typeof serverUrl === "string" && /^https?:\/\/[^/]/.test(serverUrl),
      "serverUrl must be an http:// or https:// address",
    ],
    [typeof key === "string" && /^[!-~]+$/.test(key), "key must be a server key of the environment"],
    [typeof unitType === "string" && unitType !== "", "unitType must name a unit type of the project"],
    [Array.isArray(flags) && flags.every((flag) => typeof flag === "string"), "flags must be a list of flag keys"],
    [cookieName === undefined || /^[\w-]+$/.test(cookieName), "cookieName must be letters, digits, _ and -"],
    [verifyKeys === undefined || areKeys(verifyKeys), "verifyKeys must be raw Ed25519 public keys in base64"],
  ];
  return checks.filter(([holds]) => !holds).map(([, problem]) => problem);
}

function placeCache(): EdgeCache | null {
  const caches = (globalThis as { caches?: { default?: EdgeCache } }).caches;
  return caches?.default ?? null;
}
