/** The example of a worker before a shop, in workerd, the runtime that workers run in. */
import assert from "node:assert/strict";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { after, afterEach, beforeEach, test } from "node:test";
import { fileURLToPath } from "node:url";
import { createHmac } from "node:crypto";
import { build } from "esbuild";
import { Miniflare } from "miniflare";
import { Edge } from "../src/edge/index.js";
import { Ledger } from "../src/reporting/losses.js";
import { shop } from "./documents.js";
import { FaultyServer } from "./faulty_server.js";

const HERE = fileURLToPath(new URL("../..", import.meta.url));
const PREVIEW_KEY = "ab".repeat(32);

/** The shop behind the worker: it renders what it is told, and counts. */
class Origin {
  readonly asked: string[] = [];
  readonly #server: Server = createServer((request, response) => {
    const told = String(request.headers["x-variants"]);
    this.asked.push(`${request.url} ${told}`);
    const page = `<!doctype html><html><head><title>shop</title></head><body>${told}</body></html>`;
    response.writeHead(200, { "content-type": "text/html", "cache-control": "max-age=60" }).end(page);
  });

  async start(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

let server: FaultyServer;
let origin: Origin;
let worker: Miniflare | null = null;
let script: string | null = null;

beforeEach(async () => {
  server = await FaultyServer.started(visitors());
  origin = new Origin();
  await origin.start();
});
afterEach(async () => {
  await worker?.dispose();
  worker = null;
  await origin.stop();
  await server.stop();
});
after(() => worker?.dispose());

/** The shop's flags, for visitors. */
function visitors(revision = 1): Record<string, unknown> {
  const text = JSON.stringify(shop(revision))
    .replaceAll('"user"', '"visitor"')
    .replaceAll('"button"', '"checkout-button"');
  return { ...(JSON.parse(text) as object), preview_key: PREVIEW_KEY };
}

async function started(): Promise<Miniflare> {
  script ??= await bundled();
  worker = new Miniflare({
    modules: true,
    script,
    compatibilityDate: "2026-04-01",
    cf: false,
    bindings: { EQUIPOISE_URL: server.url, EQUIPOISE_KEY: "eq_server_1", ORIGIN_URL: origin.url },
  });
  await worker.ready;
  return worker;
}

async function bundled(): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [`${HERE}/../examples/edge-worker/src/worker.mjs`],
    alias: { "@equipoise/sdk/edge": `${HERE}/src/edge/index.ts` },
    bundle: true,
    format: "esm",
    platform: "neutral",
    target: "es2022",
    write: false,
  });
  return outputFiles[0]?.text ?? "";
}

interface Seen {
  readonly page: string;
  readonly cookie: string | null;
  readonly variant: string;
  readonly headers: Headers;
}

async function seen(cookie: string | null = null, path = "/"): Promise<Seen> {
  const given = cookie === null ? {} : { cookie };
  const response = await (worker ?? (await started())).dispatchFetch(`http://shop.test${path}`, { headers: given });
  const page = await response.text();
  const variant = /"checkout-button":"(\w*)"/.exec(page)?.[1] ?? "none";
  const headers = new Headers([...response.headers] as [string, string][]);
  return { page, cookie: headers.get("set-cookie")?.split(";")[0] ?? null, variant, headers };
}

test("a new visitor gets a unit, and keeps variant and unit", async () => {
  const first = await seen();
  assert.match(String(first.cookie), /^equipoise_unit=[0-9a-f-]{36}$/);
  assert.match(String(first.headers.get("set-cookie")), /Path=\/; Max-Age=31536000; SameSite=Lax; HttpOnly$/);
  for (let round = 0; round < 3; round++) {
    const again = await seen(first.cookie);
    assert.deepEqual([again.variant, again.cookie], [first.variant, null]);
  }
});

test("a page is rendered once for each variant, however many visitors come", async () => {
  const visits: Seen[] = [];
  for (let round = 0; round < 20; round++) visits.push(await seen());
  assert.deepEqual(new Set(visits.map(({ variant }) => variant)), new Set(["grey", "green"]));
  assert.equal(origin.asked.length, 2);
  assert.equal(new Set(visits.map(({ cookie }) => cookie)).size, 20);
  assert.ok(visits.every(({ headers }) => headers.get("cache-control") === "private, no-cache"));
});

test("the page brings along the values of its visitor, and no rule", async () => {
  const { page, cookie, variant } = await seen();
  const script = /<head><script>self\.__EQUIPOISE__=(.*?)<\/script><title>/.exec(page)?.[1] ?? "";
  const brought = JSON.parse(script) as { flags: { key: string; variant: string }[]; units: { visitor: string } };
  assert.equal(`equipoise_unit=${brought.units.visitor}`, cookie);
  assert.equal(brought.flags.find(({ key }) => key === "checkout-button")?.variant, variant);
  for (const secret of ["salt", "split1", "eq_server", PREVIEW_KEY]) assert.ok(!page.includes(secret), secret);
});

test("the values of a page are vouched for, where the environment asks for it, without the key", async () => {
  const secret = "0af1".repeat(16);
  await server.publish({ ...visitors(2), exposure_tokens: { required: true, keys: [{ id: 3, secret }] } });
  const { page } = await seen();
  const script = /<head><script>self\.__EQUIPOISE__=(.*?)<\/script><title>/.exec(page)?.[1] ?? "";
  const { flags } = JSON.parse(script) as { flags: { key: string; metadata: Record<string, string> }[] };
  const told = Object.fromEntries(flags.map(({ key, metadata }) => [key, metadata]));
  assert.match(String(told["checkout-button"]?.["exposure.token"]), /^x1\.3\.\d+\.[\w-]{22}$/);
  assert.match(String(told["banner"]?.["holdout.token"]), /^x1\.3\.\d+\.[\w-]{22}$/);
  assert.equal(told["theme"]?.["exposure.token"], undefined);
  assert.ok(!page.includes(secret));
});

test("what a visitor met is reported once, after the answer", async () => {
  const { cookie, variant } = await seen();
  await seen(cookie);
  await server.until(() => server.events.length > 0);
  const [event, ...more] = server.events;
  assert.deepEqual(more, []);
  assert.equal(variant, event?.["variant"] === "treatment" ? "green" : "grey");
  assert.equal(`equipoise_unit=${String(event?.["unit"])}`, cookie);
});

test("without Equipoise the pages keep coming, with the page's own default", async () => {
  await server.break("hang");
  const first = await seen();
  assert.deepEqual([first.variant, origin.asked.length], ["", 1]);
  await seen();
  await seen();
  const asked = server.asked.filter((path) => path.includes("/v1/snapshot"));
  assert.equal(asked.length, 1, "a server that fails is left alone for a while, and no page waits for it");
});

test("when Equipoise goes away, the variants stay", async () => {
  const before = await seen();
  await server.break("refuse");
  assert.equal((await seen(before.cookie)).variant, before.variant);
});

test("a link to a preview shows its variant, and reports nothing", async () => {
  const asked = {
    environment: "production",
    expires: Math.floor(Date.now() / 1000) + 60,
    overrides: { "checkout-button": "green" },
    project: "shop",
  };
  const payload = Buffer.from(JSON.stringify(asked)).toString("base64url");
  const mac = createHmac("sha256", Buffer.from(PREVIEW_KEY, "hex"));
  const token = `p1.${payload}.${mac.update(`equipoise-preview:shop/production:${payload}`).digest("base64url")}`;
  for (let round = 0; round < 6; round++) {
    assert.equal((await seen(null, `/?equipoise_preview=${token}`)).variant, "green");
  }
  assert.equal(server.events.length, 0);
  const forged = `p1.${payload}.${"A".repeat(43)}`;
  const variants = new Set<string>();
  for (let n = 0; n < 12; n++) {
    variants.add((await seen(`equipoise_unit=visitor-${n}`, `/?equipoise_preview=${forged}`)).variant);
  }
  assert.deepEqual(variants, new Set(["grey", "green"]));
});

test("a worker without a rewriter finds the head by its tag, and leaves alone what is no page", async () => {
  const edge = new Edge({ serverUrl: server.url, key: "k", unitType: "visitor", flags: ["checkout-button"] });
  const lifetime = { waitUntil: (work: Promise<unknown>) => void work };
  const visit = await edge.visit(new Request("https://shop.test/"), lifetime);
  const headers = { "content-type": "text/html; charset=utf-8", "content-length": "70" };
  const page = visit.finish(new Response('<!doctype html><html><head lang="x"><title>é</title>', { headers }), {
    nonce: "n1",
  });
  const text = await page.text();
  assert.match(
    text,
    /^<!doctype html><html><head lang="x"><script nonce="n1">self\.__EQUIPOISE__=\{.*\}<\/script><title>é<\/title>$/,
  );
  assert.match(String(page.headers.get("set-cookie")), /; Secure$/);
  const other = visit.finish(Response.json({ a: 1 }));
  assert.deepEqual(await other.json(), { a: 1 });
});

interface Told {
  readonly batch?: string;
  readonly dropped?: Record<string, number>;
  readonly events: unknown[];
}

/** A worker in this process, whose clock of retries is the real one; `sent` ends when its events are settled. */
function inProcess() {
  const silent = { warn: () => undefined };
  const edge = new Edge({ serverUrl: server.url, key: "k", unitType: "visitor", flags: [], logger: silent });
  const work: Promise<unknown>[] = [];
  const lifetime = { waitUntil: (one: Promise<unknown>) => void work.push(one) };
  async function sent(count: number, of: unknown = {}): Promise<void> {
    const visit = await edge.visit(new Request("https://shop.test/"), lifetime);
    for (let number = 0; number < count; number++) visit.track("seen", { properties: of as Record<string, unknown> });
    visit.send();
    await Promise.all(work.splice(0));
  }
  return { edge, sent };
}

test("what a worker lost is told with the next batch that arrives, once", async () => {
  const { edge, sent } = inProcess();
  const round: Record<string, unknown> = {};
  round["itself"] = round;
  await sent(2, round);
  await sent(1);
  await sent(1);
  const [first, second] = server.bodies as unknown as Told[];
  assert.deepEqual(first?.dropped, { invalid: 2 });
  assert.match(String(first?.batch), /^[0-9a-f-]{36}$/);
  assert.deepEqual([second?.dropped, second?.events.length], [undefined, 1]);
  assert.deepEqual([edge.status.dropped, edge.status.queued], [2, 0]);
});

test("a worker keeps its losses in mind while the server is away, and those beyond its memory join them", async () => {
  const { edge, sent } = inProcess();
  await sent(1);
  await server.break("503");
  await sent(405);
  assert.deepEqual([edge.status.queued, edge.status.dropped], [400, 5]);
  await server.mend();
  await sent(1);
  const [, told] = server.bodies as unknown as Told[];
  assert.deepEqual([told?.dropped, told?.events.length], [{ queue_full: 5 }, 401]);
});

test("of two batches that tell the same losses, each is told under the same id, and none is told again", () => {
  const ledger = new Ledger();
  let ids = 0;
  const untold = () => ledger.untold(() => `id-${++ids}`);
  ledger.drop("refused", 3);
  const [one, other] = [untold(), untold()];
  assert.equal(one, other);
  ledger.noteTold(one);
  ledger.drop("invalid");
  const next = untold();
  ledger.noteTold(other);
  assert.deepEqual(untold(), next);
  assert.deepEqual(next, { batch: "id-2", dropped: { invalid: 1 } });
});

test("bad arguments are refused all at once", () => {
  const bad = { serverUrl: "flags", key: "", unitType: "", flags: [], cookieName: "a b" };
  assert.throws(() => new Edge(bad), /serverUrl .*; key .*; unitType .*; cookieName /);
});
