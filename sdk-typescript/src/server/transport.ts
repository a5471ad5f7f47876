/** Speaks HTTP to the server: one request, one answer. Knows neither flags nor retries. */
import { Agent as PlainAgent, request as plainRequest, type ClientRequest, type IncomingMessage } from "node:http";
import { Agent as SecureAgent, request as secureRequest } from "node:https";
import { createGunzip } from "node:zlib";
import type { Readable } from "node:stream";
import { patience } from "../reporting/retries.js";
import type { Settings } from "./settings.js";

export const LARGEST_SNAPSHOT_BYTES = 20 * 2 ** 20;
const LARGEST_ANSWER_BYTES = 2 ** 20;
const LONGEST_ANSWER_IN_TIMEOUTS = 6;

/** There was no complete answer. */
export class Unreachable extends Error {
  override readonly name = "Unreachable";
}

/** One HTTP answer; `retryAfterSeconds` is null when the server did not ask for patience. */
export interface Answer {
  readonly status: number;
  readonly body: Buffer;
  readonly etag: string | null;
  readonly signature: string | null;
  readonly retryAfterSeconds: number | null;
}

interface Asked {
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly largestBytes?: number;
  readonly timeoutSeconds?: number;
}

/** The bytes of a stream as they come. */
export class OpenStream {
  constructor(
    readonly incoming: IncomingMessage,
    readonly silenceSeconds: number,
  ) {}

  /** @throws {Unreachable} when it was silent for too long, or broke */
  async *read(): AsyncGenerator<Uint8Array> {
    this.incoming.socket.setTimeout(this.silenceSeconds * 1000, () =>
      this.incoming.destroy(new Unreachable("silence")),
    );
    try {
      for await (const chunk of this.incoming) yield chunk as Uint8Array;
    } catch (cause) {
      throw new Unreachable(`the stream broke: ${nameOf(cause)}`);
    }
  }

  close(): void {
    this.incoming.destroy();
  }
}

/** Requests to one server with one key, over kept connections that keep no process alive. */
export class Transport {
  readonly #agent: PlainAgent;
  readonly #isSecure: boolean;

  constructor(readonly settings: Settings) {
    this.#isSecure = settings.serverUrl.startsWith("https:");
    const kept = { keepAlive: true, maxFreeSockets: 2 };
    this.#agent = this.#isSecure ? new SecureAgent(kept) : new PlainAgent(kept);
  }

  /** Ask for the snapshot, unless it still has this ETag. */
  snapshot(etag: string | null): Promise<Answer> {
    const headers = etag === null ? {} : { "if-none-match": etag };
    return this.#answer("GET", "/v1/snapshot", { headers, largestBytes: LARGEST_SNAPSHOT_BYTES });
  }

  /** Ask for a list of members. */
  members(address: string, largestBytes: number, timeoutSeconds: number): Promise<Answer> {
    return this.#answer("GET", `/v1/members/${address}`, { largestBytes, timeoutSeconds });
  }

  /** Send a batch of events. */
  send(body: string): Promise<Answer> {
    return this.#answer("POST", "/v1/events", { headers: { "content-type": "application/json" }, body });
  }

  /** Ask for the stream; an answer that is no stream is given back, without its body. */
  async stream(lastSeen: string | null): Promise<OpenStream | Answer> {
    const headers = {
      accept: "text/event-stream",
      "accept-encoding": "identity",
      ...(lastSeen === null ? {} : { "last-event-id": lastSeen }),
    };
    const { incoming } = await this.#response("GET", "/v1/stream", { headers });
    const kind = incoming.headers["content-type"]?.split(";")[0]?.trim().toLowerCase();
    if (incoming.statusCode === 200 && kind === "text/event-stream") {
      return new OpenStream(incoming, this.settings.streamSilenceSeconds);
    }
    incoming.destroy();
    return this.#told(incoming, Buffer.alloc(0));
  }

  /** Close idle connections. */
  close(): void {
    this.#agent.destroy();
  }

  async #answer(method: string, path: string, asked: Asked): Promise<Answer> {
    const { incoming, outgoing } = await this.#response(method, path, asked);
    const seconds = (asked.timeoutSeconds ?? this.settings.requestTimeoutSeconds) * LONGEST_ANSWER_IN_TIMEOUTS;
    const deadline = setTimeout(() => outgoing.destroy(new Unreachable("answer came too slowly")), seconds * 1000);
    deadline.unref();
    try {
      return this.#told(incoming, await content(incoming, asked.largestBytes ?? LARGEST_ANSWER_BYTES));
    } catch (cause) {
      incoming.destroy();
      throw new Unreachable(`${method} ${path}: ${nameOf(cause)}`);
    } finally {
      clearTimeout(deadline);
    }
  }

  /** Wait for the head of an answer. */
  #response(
    method: string,
    path: string,
    asked: Asked,
  ): Promise<{ incoming: IncomingMessage; outgoing: ClientRequest }> {
    const { headers, key, requestTimeoutSeconds, serverUrl } = this.settings;
    const own = { authorization: `Bearer ${key}`, "user-agent": "equipoise-typescript", "accept-encoding": "gzip" };
    const request = this.#isSecure ? secureRequest : plainRequest;
    const seconds = asked.timeoutSeconds ?? requestTimeoutSeconds;
    return new Promise((resolve, reject) => {
      const outgoing = request(serverUrl + path, {
        method,
        agent: this.#agent,
        headers: { ...lowerCased(headers), ...own, ...asked.headers },
      });
      const deadline = setTimeout(() => outgoing.destroy(new Unreachable("no answer in time")), seconds * 1000);
      deadline.unref();
      const failed = (cause: unknown): void => {
        clearTimeout(deadline);
        reject(new Unreachable(`${method} ${path}: ${nameOf(cause)}`));
      };
      outgoing.on("socket", (socket) => socket.unref());
      outgoing.on("error", failed);
      outgoing.once("response", (incoming) => {
        clearTimeout(deadline);
        resolve({ incoming, outgoing });
      });
      outgoing.end(asked.body);
    });
  }

  #told(incoming: IncomingMessage, body: Buffer): Answer {
    const header = (name: string): string | null => incoming.headers[name]?.toString() ?? null;
    return {
      status: incoming.statusCode ?? 0,
      body,
      etag: header("etag"),
      signature: header("equipoise-signature"),
      retryAfterSeconds: patience(header("retry-after"), this.settings.outside.now().getTime()),
    };
  }
}

async function content(incoming: IncomingMessage, largestBytes: number): Promise<Buffer> {
  const isZipped = incoming.headers["content-encoding"] === "gzip";
  const source: Readable = isZipped ? unzipped(incoming) : incoming;
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of source) {
    size += (part as Buffer).length;
    if (size > largestBytes) throw new Unreachable(`answer larger than ${largestBytes} bytes`);
    parts.push(part as Buffer);
  }
  return Buffer.concat(parts);
}

function unzipped(incoming: IncomingMessage): Readable {
  const gunzip = createGunzip();
  incoming.once("error", (cause) => gunzip.destroy(cause));
  incoming.once("aborted", () => gunzip.destroy(new Unreachable("answer ended early")));
  return incoming.pipe(gunzip);
}

function lowerCased(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, text]) => [name.toLowerCase(), text]));
}

function nameOf(cause: unknown): string {
  if (cause instanceof Unreachable) return cause.message;
  return cause instanceof Error ? ((cause as NodeJS.ErrnoException).code ?? cause.name) : String(cause);
}
