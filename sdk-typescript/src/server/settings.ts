/** What `connect` was asked for, checked as a whole. */
import { homedir } from "node:os";
import { join } from "node:path";
import { areKeys } from "../core/signatures.js";
import { CONSOLE, type Logger } from "../reporting/troubles.js";
import type { StickyStore } from "./sticky.js";

/** What the client takes from the world; tests pass their own. */
export interface Outside {
  readonly now: () => Date;
  readonly newId: () => string;
  /** A number in [0, 1), to spread retries. */
  readonly jitter: () => number;
}

export const WORLD: Outside = { now: () => new Date(), newId: () => crypto.randomUUID(), jitter: Math.random };

export interface Options {
  /** Between two questions for a newer snapshot, while no stream tells of changes. Default: 10. */
  readonly pollIntervalSeconds?: number;
  /** How long to wait for the first answer; the disk serves meanwhile. Default: 1. */
  readonly startTimeoutSeconds?: number;
  /** For one request. Default: 5. */
  readonly requestTimeoutSeconds?: number;
  /** Where the last good snapshot is kept; null keeps none. Default: the user's cache folder. */
  readonly cacheDirectory?: string | null;
  /** A snapshot document that serves while neither the server nor the disk has one. */
  readonly bootstrap?: unknown;
  /** Names of the attributes that exposures may carry; no other attribute ever leaves the process. */
  readonly exposureAttributes?: readonly string[];
  /** How many events may wait. Default: 10,000. */
  readonly queueSize?: number;
  /** Sent with every request, for a proxy; they never replace the client's own. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Whether to hear of changes at once over a stream that is held open. Default: true. */
  readonly streaming?: boolean;
  /** How long a stream may be silent; the server lets it beat every 10 seconds. Default: 25. */
  readonly streamSilenceSeconds?: number;
  /** Raw Ed25519 public keys in base64: whatever is not signed with one of them is refused. */
  readonly verifyKeys?: readonly string[];
  /** Remembers the first cluster of each unit; without it a unit follows its cluster. */
  readonly stickyStore?: StickyStore;
  readonly logger?: Logger;
  readonly outside?: Outside;
}

export interface Settings extends Required<Omit<Options, "stickyStore" | "verifyKeys" | "bootstrap">> {
  readonly serverUrl: string;
  readonly key: string;
  readonly bootstrap: unknown;
  readonly stickyStore: StickyStore | null;
  readonly verifyKeys: readonly string[] | null;
}

const NUMBERS = {
  pollIntervalSeconds: [10, 0.01, 86_400],
  startTimeoutSeconds: [0.9, 0, 86_400],
  requestTimeoutSeconds: [5, 0.01, 86_400],
  streamSilenceSeconds: [25, 0.01, 86_400],
  queueSize: [10_000, 1, 10_000_000],
} as const;
type NumberName = keyof typeof NUMBERS;

/** @throws {TypeError} lists every bad argument */
export function settingsOf(serverUrl: string, key: string, options: Options): Settings {
  const problems = [...textProblems(serverUrl, key, options), ...numberProblems(options)];
  if (problems.length > 0) throw new TypeError(problems.join("; "));
  const number = (name: NumberName): number => options[name] ?? NUMBERS[name][0];
  return {
    serverUrl: serverUrl.replace(/\/+$/, ""),
    key,
    pollIntervalSeconds: number("pollIntervalSeconds"),
    startTimeoutSeconds: number("startTimeoutSeconds"),
    requestTimeoutSeconds: number("requestTimeoutSeconds"),
    streamSilenceSeconds: number("streamSilenceSeconds"),
    queueSize: number("queueSize"),
    cacheDirectory: options.cacheDirectory === undefined ? perUser() : options.cacheDirectory,
    bootstrap: options.bootstrap,
    exposureAttributes: [...(options.exposureAttributes ?? [])],
    headers: { ...options.headers },
    streaming: options.streaming ?? true,
    verifyKeys: options.verifyKeys ?? null,
    stickyStore: options.stickyStore ?? null,
    logger: options.logger ?? CONSOLE,
    outside: options.outside ?? WORLD,
  };
}

function textProblems(serverUrl: unknown, key: unknown, options: Options): string[] {
  const names = options.exposureAttributes ?? [];
  const headers = Object.values(options.headers ?? {});
  const checks: readonly (readonly [boolean, string])[] = [
    [isAddress(serverUrl), "serverUrl must be an http:// or https:// address"],
    [
      typeof key === "string" && /^[!-~]+$/.test(key),
      "key must be a key of the environment: printable ASCII, not empty",
    ],
    [Array.isArray(names) && names.every(isName), "exposureAttributes must be a list of attribute names"],
    [headers.every((text) => typeof text === "string"), "headers must be texts by name"],
    [
      options.verifyKeys === undefined || areKeys(options.verifyKeys),
      "verifyKeys must be raw Ed25519 public keys in base64",
    ],
  ];
  return checks.filter(([holds]) => !holds).map(([, problem]) => problem);
}

function numberProblems(options: Options): string[] {
  return Object.entries(NUMBERS).flatMap(([name, [, low, high]]) => {
    const value = options[name as NumberName];
    const fits = value === undefined || (typeof value === "number" && value >= low && value <= high);
    return fits ? [] : [`${name} must be a number from ${low} to ${high}`];
  });
}

function isName(name: unknown): boolean {
  return typeof name === "string" && name !== "";
}

function isAddress(address: unknown): boolean {
  if (typeof address !== "string" || !URL.canParse(address)) return false;
  const { protocol, hostname } = new URL(address);
  return ["http:", "https:"].includes(protocol) && hostname !== "";
}

/** The user's cache folder; null for an account without a home, as in some containers. */
function perUser(): string | null {
  const home = homedir();
  if (home === "") return null;
  if (process.platform === "darwin") return join(home, "Library", "Caches", "equipoise");
  const cache = process.env["LOCALAPPDATA"] ?? process.env["XDG_CACHE_HOME"] ?? join(home, ".cache");
  return join(cache, "equipoise");
}
