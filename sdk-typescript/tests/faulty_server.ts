/** A server on this machine that behaves, or misbehaves in a chosen way. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { gzipSync } from "node:zlib";
import { hashed, shop } from "./documents.js";

export const FAULTS = [
  "refuse",
  "hang",
  "503",
  "401",
  "freeze",
  "cut",
  "corrupt",
  "oversize",
  "not-json",
  "wrong-hash",
  "older",
  "other-environment",
  "other-content",
] as const;
export type Fault = (typeof FAULTS)[number];

export class FaultyServer {
  readonly events: Record<string, unknown>[] = [];
  readonly bodies: Record<string, unknown>[] = [];
  readonly asked: string[] = [];
  readonly members = new Map<string, Buffer>();
  fault: Fault | null = null;
  signature: string | null = null;
  offersStream = true;
  zips = false;
  document: Record<string, unknown> = {};
  readonly #streams = new Set<ServerResponse>();
  readonly #waiting = new Set<() => void>();
  #server: Server | null = null;
  #port = 0;

  static async started(document = shop(1)): Promise<FaultyServer> {
    const server = new FaultyServer();
    await server.publish(document);
    await server.start();
    return server;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** Serve another document, and tell the streams. */
  async publish(document: Record<string, unknown>): Promise<void> {
    this.document = await hashed(document);
    const { epoch, revision } = this.document;
    this.tell("revision", { epoch, revision });
  }

  tell(name: string, data: object): void {
    for (const stream of this.#streams) stream.write(`event: ${name}\ndata: ${JSON.stringify(data)}\n\n`);
  }

  /** Begin to misbehave; open streams end, as they would. */
  async break(fault: Fault): Promise<void> {
    this.fault = fault;
    if (fault === "refuse") await this.stop();
    else this.#server?.closeAllConnections();
  }

  async mend(): Promise<void> {
    this.fault = null;
    this.#server?.closeAllConnections();
    if (this.#server === null) await this.start();
  }

  async start(): Promise<void> {
    const server = createServer((request, response) => void this.#answer(request, response));
    await new Promise<void>((resolve) => server.listen(this.#port, "127.0.0.1", resolve));
    this.#port = (server.address() as AddressInfo).port;
    this.#server = server;
  }

  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = null;
    server?.closeAllConnections();
    await new Promise((resolve) => (server === null ? resolve(null) : server.close(resolve)));
  }

  /** Wait until something holds; it is looked at after every request. */
  async until(holds: () => boolean): Promise<void> {
    const deadline = Date.now() + 20_000;
    while (!holds()) {
      if (Date.now() > deadline) throw new Error("it did not come about within 20 s");
      await new Promise<void>((resolve) => {
        this.#waiting.add(resolve);
        setTimeout(resolve, 20);
      });
    }
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.url ?? "";
    this.asked.push(`${request.method} ${path}`);
    const body = await text(request);
    if (this.fault === "hang") return;
    if (this.fault === "503") return void response.writeHead(503, { "retry-after": "0" }).end();
    if (this.fault === "401") return void response.writeHead(401).end();
    if (path === "/v1/events") this.#take(body, response);
    else if (path === "/v1/stream") this.#stream(response);
    else if (path.startsWith("/v1/members/")) this.#member(path, response);
    else await this.#snapshot(request, response);
    for (const waiting of this.#waiting) waiting();
    this.#waiting.clear();
  }

  #take(body: string, response: ServerResponse): void {
    const whole = JSON.parse(body) as { events: Record<string, unknown>[] };
    const { events } = whole;
    this.bodies.push(whole);
    this.events.push(...events);
    response.writeHead(200).end(JSON.stringify({ accepted: events.length, quarantined: [] }));
  }

  #stream(response: ServerResponse): void {
    if (!this.offersStream || this.fault !== null) return void response.writeHead(404).end();
    response.writeHead(200, { "content-type": "text/event-stream" }).write("retry: 10\n\n");
    this.#streams.add(response);
    response.on("close", () => this.#streams.delete(response));
    const { epoch, revision } = this.document;
    response.write(`event: revision\ndata: ${JSON.stringify({ epoch, revision })}\n\n`);
  }

  #member(path: string, response: ServerResponse): void {
    const found = this.members.get(path.slice("/v1/members/".length));
    if (found === undefined) response.writeHead(404).end();
    else response.writeHead(200, { "content-type": "application/octet-stream" }).end(found);
  }

  async #snapshot(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const document = await this.#lied(this.document);
    const etag = `"${String(document["hash"])}"`;
    const signature = this.signature === null ? {} : { "equipoise-signature": this.signature };
    if (request.headers["if-none-match"] === etag) return void response.writeHead(304).end();
    const text = this.#damaged(JSON.stringify(document));
    const isZipping = this.zips && String(request.headers["accept-encoding"]).includes("gzip");
    const body = isZipping ? gzipSync(text) : Buffer.from(text);
    const encoding = isZipping ? { "content-encoding": "gzip" } : {};
    response.writeHead(200, { etag, "content-length": body.length, ...encoding, ...signature });
    if (this.fault === "freeze") response.write(body.subarray(0, body.length / 2));
    else if (this.fault === "cut") response.write(body.subarray(0, body.length / 2), () => response.destroy());
    else response.end(body);
  }

  async #lied(document: Record<string, unknown>): Promise<Record<string, unknown>> {
    if (this.fault === "wrong-hash") return { ...document, hash: "0".repeat(64) };
    if (this.fault === "older") return hashed({ ...shop(0), flags: {} });
    if (this.fault === "other-content") return hashed({ ...document, killed: true, hash: undefined });
    if (this.fault === "other-environment") return hashed({ ...shop(9), environment: "staging" });
    return document;
  }

  #damaged(body: string): string {
    if (this.fault === "not-json") return "<html>Bad gateway</html>";
    if (this.fault === "corrupt") return body.replace('"default":"grey"', '"default":"green"');
    if (this.fault === "oversize") return body + " ".repeat(21 * 2 ** 20);
    return body;
  }
}

async function text(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  return Buffer.concat(parts).toString();
}
