/** A server on this machine that evaluates for browsers over OFREP, takes their events, and serves a page to test. */
import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { build } from "esbuild";
import { compileSnapshot, type Decision, type Snapshot } from "../src/core/index.js";
import { vouched } from "../src/core/tokens.js";
import { shop } from "./documents.js";

const CORS = {
  "access-control-allow-origin": "*",
  "access-control-allow-headers": "content-type, authorization, if-none-match, x-equipoise-preview",
  "access-control-expose-headers": "etag, retry-after",
};

let script: Promise<string> | undefined;

export class EvaluatingServer {
  readonly events: Record<string, unknown>[] = [];
  readonly asked: { readonly context: unknown; readonly preview: unknown; readonly status: number }[] = [];
  readonly pages = new Map<string, string>();
  readonly scripts = new Map<string, string>();
  document = shop(1);
  fault: "hang" | "503" | null = null;
  readonly #streams = new Set<ServerResponse>();
  readonly #server: Server;
  #isRefusingStreams = false;

  private constructor(readonly script: string) {
    this.#server = createServer((request, response) => void this.#answer(request, response));
  }

  static async started(): Promise<EvaluatingServer> {
    const server = new EvaluatingServer(await (script ??= bundle("src/browser/index.ts")));
    await new Promise<void>((resolve) => server.#server.listen(0, "127.0.0.1", resolve));
    return server;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  get streamCount(): number {
    return this.#streams.size;
  }

  publish(document: Record<string, unknown>): void {
    this.document = document;
    const data = JSON.stringify({ type: "refetchEvaluation" });
    for (const stream of this.#streams) stream.write(`event: message\ndata: ${data}\n\n`);
  }

  /** End all streams, and refuse others for a while. */
  dropStreams(isRefusing: boolean): void {
    this.#isRefusingStreams = isRefusing;
    for (const stream of this.#streams) stream.destroy();
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname } = new URL(request.url ?? "", "http://localhost");
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    const body = Buffer.concat(parts).toString();
    if (request.method === "OPTIONS") return void response.writeHead(204, CORS).end();
    const script = pathname === "/sdk.js" ? this.script : this.scripts.get(pathname);
    if (script !== undefined) return void response.writeHead(200, { "content-type": "text/javascript" }).end(script);
    if (request.method === "GET" && !pathname.startsWith("/ofrep")) return this.#page(pathname, response);
    if (this.fault === "hang") return;
    if (this.fault === "503") return void response.writeHead(503, CORS).end();
    if (pathname === "/v1/events") return this.#take(body, response);
    if (pathname === "/ofrep/v1/stream") return this.#stream(response);
    this.#evaluate(request, body, response);
  }

  #page(pathname: string, response: ServerResponse): void {
    const page = this.pages.get(pathname) ?? "<!doctype html><title>page</title><link rel=icon href=data:,>";
    response.writeHead(200, { "content-type": "text/html" }).end(page);
  }

  #take(body: string, response: ServerResponse): void {
    const { events } = JSON.parse(body) as { events: Record<string, unknown>[] };
    this.events.push(...events);
    response.writeHead(200, CORS).end(JSON.stringify({ accepted: events.length, quarantined: [] }));
  }

  #stream(response: ServerResponse): void {
    if (this.#isRefusingStreams) return void response.writeHead(401, CORS).end();
    response.writeHead(200, { ...CORS, "content-type": "text/event-stream" }).write("retry: 50\n\n");
    this.#streams.add(response);
    response.on("close", () => this.#streams.delete(response));
  }

  #evaluate(request: IncomingMessage, body: string, response: ServerResponse): void {
    const { context } = JSON.parse(body) as { context: Record<string, string> };
    const snapshot = compileSnapshot(this.document);
    const named = snapshot.unitTypes.filter((type) => Object.hasOwn(context, type));
    const units: Record<string, string> = Object.fromEntries(named.map((type) => [type, context[type] ?? ""]));
    const flags = snapshot.evaluateAll({ units, attributes: context }).map((decision) => item(decision, snapshot));
    const eventStreams = [{ type: "sse", url: `${this.url}/ofrep/v1/stream?token=t`, inactivityDelaySec: 120 }];
    const answer = JSON.stringify({ flags, eventStreams });
    const etag = `"${createHash("sha256").update(answer).digest("hex")}"`;
    const status = request.headers["if-none-match"] === etag ? 304 : 200;
    this.asked.push({ context, preview: request.headers["x-equipoise-preview"], status });
    const headers = { ...CORS, etag, "content-type": "application/json" };
    response.writeHead(status, headers).end(status === 200 ? answer : undefined);
  }
}

/** One flag's answer, as the server writes it. */
export function item(decision: Decision, { epoch, revision, tokens }: Snapshot): object {
  const { flagKey: key, value, variant, reason } = decision;
  const metadata = tokens === null ? decision.metadata : vouched(decision, tokens, new Date());
  return { key, value, variant, reason, metadata: { ...metadata, version: `${epoch}.${revision}` } };
}

/** Return a module of the SDK as one script. */
export async function bundle(entry: string): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [entry],
    absWorkingDir: new URL("../..", import.meta.url).pathname,
    bundle: true,
    minify: true,
    format: "esm",
    target: "es2022",
    write: false,
  });
  return outputFiles[0]?.text ?? "";
}
