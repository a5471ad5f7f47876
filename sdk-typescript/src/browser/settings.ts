/** What a page asks for, and what is taken from the page. */
import { BOOTSTRAP } from "../delivery/bootstrap.js";
import { CONSOLE, type Logger } from "../reporting/troubles.js";
import type { Page } from "./changes.js";
import { tokenOf } from "./previewing.js";
import type { Store } from "./storage.js";

export interface BrowserOptions {
  /** Such as "https://flags.example.org". */
  readonly serverUrl: string;
  /** A client key of one environment: it opens evaluated values and takes events, no more. */
  readonly key: string;
  /** Values that the page brings along. Default: what `bootstrapScript` of a server left in it. */
  readonly bootstrap?: unknown;
  /** When other values show: at the next session (default), or at once. Kills always apply at once. */
  readonly applies?: "next-session" | "at-once";
  /** How long `ready` waits for first values. Default: 1. */
  readonly startTimeoutSeconds?: number;
  /** For one request. Default: 5. */
  readonly requestTimeoutSeconds?: number;
  /** Between two questions while no stream tells of changes; 0 asks only when the page is shown. Default: 60. */
  readonly pollSeconds?: number;
  /** Names of the attributes that exposures may carry. */
  readonly exposureAttributes?: readonly string[];
  /** How many events may wait. Default: 1,000. */
  readonly queueSize?: number;
  /** Token of a link to a preview. Default: the one in the page's address, or of this browser session. */
  readonly previewToken?: string | null;
  /** Where values are kept between sessions; null keeps none. Default: localStorage. */
  readonly store?: Store | null;
  readonly logger?: Logger;
}

export interface Settings {
  readonly serverUrl: string;
  readonly key: string;
  readonly bootstrap: unknown;
  readonly appliesAtOnce: boolean;
  readonly startTimeoutSeconds: number;
  readonly requestTimeoutSeconds: number;
  readonly pollSeconds: number;
  readonly exposureAttributes: readonly string[];
  readonly queueSize: number;
  readonly previewToken: string | null;
  readonly store: Store | null;
  readonly logger: Logger;
  readonly page: Page;
  readonly fetch: typeof fetch;
  readonly outside: { readonly now: () => Date; readonly newId: () => string; readonly jitter: () => number };
}

/** @throws {TypeError} lists every bad argument */
export function settingsOf(options: BrowserOptions): Settings {
  const { serverUrl, key } = options;
  const problems = [
    ...(typeof serverUrl === "string" && /^(https?:\/\/|\/|$)/.test(serverUrl) ? [] : ["serverUrl must be an address"]),
    ...(typeof key === "string" && /^[!-~]+$/.test(key) ? [] : ["key must be a client key of the environment"]),
  ];
  if (problems.length > 0) throw new TypeError(problems.join("; "));
  return {
    serverUrl: serverUrl.replace(/\/+$/, ""),
    key,
    bootstrap: options.bootstrap ?? (globalThis as Record<string, unknown>)[BOOTSTRAP],
    appliesAtOnce: options.applies === "at-once",
    startTimeoutSeconds: options.startTimeoutSeconds ?? 1,
    requestTimeoutSeconds: options.requestTimeoutSeconds ?? 5,
    pollSeconds: options.pollSeconds ?? 60,
    exposureAttributes: options.exposureAttributes ?? [],
    queueSize: options.queueSize ?? 1_000,
    previewToken: options.previewToken === undefined ? tokenOf(visited()) : options.previewToken,
    store: options.store === undefined ? localStore() : options.store,
    logger: options.logger ?? CONSOLE,
    page: page(),
    fetch: (input, init) => fetch(input, init),
    outside: { now: () => new Date(), newId, jitter: Math.random },
  };
}

/** Pages without TLS have no `randomUUID`. */
function newId(): string {
  if (typeof crypto.randomUUID === "function") return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const text = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return text.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

function localStore(): Store | null {
  try {
    return globalThis.localStorage ?? null;
  } catch {
    return null; // forbidden in some frames
  }
}

function visited() {
  if (typeof document === "undefined") return null;
  return {
    search: location.search,
    get cookie() {
      return document.cookie;
    },
    set cookie(text) {
      document.cookie = text;
    },
  };
}

function page(): Page {
  const hasDocument = typeof document !== "undefined";
  return {
    EventSource: globalThis.EventSource,
    isHidden: () => hasDocument && document.visibilityState === "hidden",
    onVisibility: (listener) => {
      if (!hasDocument) return;
      document.addEventListener("visibilitychange", listener);
      addEventListener("pagehide", listener);
    },
  };
}
