/** The browser client in a real Chromium, against a server that evaluates. */
import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { gzipSync } from "node:zlib";
import type { Browser, BrowserContext, Page } from "playwright-core";
import type { BrowserClient, BrowserOptions } from "../src/browser/index.js";
import { launched } from "./chromium.js";
import { expected, flags, shop, TOKENS } from "./documents.js";
import { bundle, EvaluatingServer } from "./evaluating_server.js";

const LARGEST_GZIP_BYTES = 12_000;

let browser: Browser;
let visitor: BrowserContext;
let server: EvaluatingServer;

before(async () => (browser = await launched()));
after(() => browser.close());
beforeEach(async () => {
  server = await EvaluatingServer.started();
  visitor = await browser.newContext();
});
afterEach(async () => {
  await visitor.close();
  await server.stop();
});

declare global {
  interface Window {
    client: BrowserClient;
    said: string[];
  }
}

/** Open a page that starts a client for Anna, from another origin than the server's. */
async function visited(options: Partial<BrowserOptions> = {}, path = "/"): Promise<Page> {
  const page = await visitor.newPage();
  await page.goto(server.url.replace("127.0.0.1", "localhost") + path);
  await begun(page, options);
  return page;
}

async function begun(page: Page, options: Partial<BrowserOptions> = {}): Promise<unknown> {
  const given = { serverUrl: server.url, key: "eq_client_1", ...options };
  return page.evaluate(async (settings) => {
    const { start } = (await import("/sdk.js" as string)) as typeof import("../src/browser/index.js");
    window.said = [];
    const logger = { warn: (text: string) => void window.said.push(text) };
    window.client = start({ ...settings, logger }, { units: { user: "anna", account: "acme" } });
    return window.client.peek("button", "mine").value;
  }, given);
}

function repainted(value: string): Record<string, unknown> {
  const { button, ...rest } = flags();
  return { ...rest, button: { ...button, variants: { grey: value, green: value } } };
}

test("the whole bundle has at most 12 kB, compressed", async () => {
  const size = gzipSync(await bundle("src/browser/index.ts"), { level: 9 }).length;
  console.log(`# browser bundle: ${size} bytes, compressed`);
  assert.ok(size <= LARGEST_GZIP_BYTES, `${size} bytes`);
});

test("a first visit gets defaults without a wait, then values of every type", async () => {
  const page = await visitor.newPage();
  await page.goto(server.url.replace("127.0.0.1", "localhost"));
  assert.equal(await begun(page), "mine");
  const { values, status } = await page.evaluate(async () => {
    await window.client.ready;
    const { client } = window;
    const values = [client.boolean("banner", false), client.string("button", ""), client.number("plans", 0)];
    return { values: [...values, client.object("theme", { colour: "" })], status: client.status };
  });
  assert.equal(typeof values[0], "boolean");
  assert.match(String(values[1]), /^#(888|0a0)$/);
  assert.ok([2, 3].includes(Number(values[2])));
  assert.deepEqual(values[3], { colour: "white" });
  assert.deepEqual([status.source, status.version, status.readBeforeReady, status.changed], ["network", "1.1", 1, 1]);
});

test("the next visit begins with the last one's values; new ones wait for the visit after", async () => {
  const first = await visited();
  const was = await first.evaluate(async () => {
    await window.client.ready;
    return window.client.string("button", "");
  });
  await first.close();
  server.publish(shop(2, { flags: repainted("#f00") }));
  const second = await visited();
  const shown = await second.evaluate(async () => {
    const atOnce = [window.client.string("button", ""), window.client.status.source];
    await window.client.refresh();
    return [...atOnce, window.client.string("button", "")];
  });
  assert.deepEqual(shown, [was, "last-session", was]);
  const third = await visited();
  assert.equal(await third.evaluate(() => window.client.string("button", "")), "#f00");
});

test("exposures carry the token of the answer, of experiment and holdout alike", async () => {
  server.document = shop(1, TOKENS);
  const page = await visited();
  await page.evaluate(async () => {
    await window.client.ready;
    window.client.string("button", "");
    window.client.number("plans", 0);
    window.client.boolean("banner", false);
    await window.client.flush(5);
  });
  assert.deepEqual(new Set(server.events.map(({ experiment }) => experiment)), new Set(["button", "plans", "winter"]));
  for (const event of server.events) assert.equal(event["token"], expected(server.document, event));
});

test("values of before there were tokens are exposed with the token of the newest answer", async () => {
  const first = await visited();
  await first.evaluate(() => window.client.ready);
  await first.close();
  server.document = shop(2, TOKENS);
  const page = await visited();
  const source = await page.evaluate(async () => {
    await window.client.refresh();
    window.client.string("button", "");
    await window.client.flush(5);
    return window.client.status.source;
  });
  assert.equal(source, "last-session");
  const [event] = server.events;
  assert.ok(event);
  assert.equal(event["token"], expected(server.document, event));
});

test("a kill shows at once, over the stream", async () => {
  const page = await visited();
  await page.evaluate(() => window.client.ready);
  await page.waitForFunction(() => window.client.status.ready);
  while (server.streamCount === 0) await page.waitForTimeout(20);
  server.publish(shop(2, { flags: { ...repainted("#f00"), theme: { ...flags()["theme"], killed: true } } }));
  await page.waitForFunction(() => window.client.peek("theme", null).reason === "DISABLED");
  assert.match(await page.evaluate(() => window.client.string("button", "")), /^#(888|0a0)$/);
  await page.evaluate(() => window.client.applyLatest());
  assert.equal(await page.evaluate(() => window.client.string("button", "")), "#f00");
});

for (const isRefusing of [false, true]) {
  test(`a kill is seen when the stream is ${isRefusing ? "refused" : "lost"} for a while`, async () => {
    const page = await visited();
    await page.evaluate(() => window.client.ready);
    while (server.streamCount === 0) await page.waitForTimeout(20);
    server.dropStreams(isRefusing);
    server.document = shop(2, { killed: true });
    if (isRefusing) setTimeout(() => server.dropStreams(false), 300);
    await page.waitForFunction(() => window.client.peek("theme", null).reason === "DISABLED");
    while (server.streamCount === 0) await page.waitForTimeout(20);
  });
}

test("who wants changes at once gets them", async () => {
  const page = await visited({ applies: "at-once" });
  await page.evaluate(() => window.client.ready);
  while (server.streamCount === 0) await page.waitForTimeout(20);
  server.publish(shop(2, { flags: repainted("#f00") }));
  await page.waitForFunction(() => window.client.string("button", "") === "#f00");
  assert.equal(await page.evaluate(() => window.client.status.changed), 2);
});

test("the same answer costs no body", async () => {
  const first = await visited();
  await first.evaluate(() => window.client.ready);
  const second = await visited();
  await second.evaluate(() => window.client.refresh());
  const [status, ...others] = server.asked.map(({ status }) => status);
  assert.equal(status, 200);
  assert.ok(others.length > 0 && others.every((other) => other === 304));
  assert.deepEqual(server.asked[0]?.context, { user: "anna", account: "acme" });
});

test("a unit that clicks through is never lost", async () => {
  for (let page = 0; page < 25; page++) {
    server.pages.set(
      `/${page}`,
      `<!doctype html><title>${page}</title><link rel=icon href=data:,><a href="/${page + 1}">next</a>`,
    );
  }
  const page = await visited({}, "/0");
  for (let round = 0; round < 24; round++) {
    if (round > 0) await begun(page);
    await page.evaluate((name) => {
      document.querySelector("a")?.addEventListener("click", () => window.client.track(name));
    }, `click-${round}`);
    await page.click("a");
  }
  await begun(page);
  await page.evaluate(async () => {
    await window.client.ready;
    await window.client.flush(5);
  });
  const names = new Set(server.events.map((event) => event["name"]));
  assert.equal(names.size, 24);
});

test("what the unit met is reported once, from the answer's metadata", async () => {
  const page = await visited();
  await page.evaluate(async () => {
    await window.client.ready;
    for (const flag of ["button", "plans", "banner", "button"]) window.client.details(flag, null);
    await window.client.flush();
  });
  const events = server.events.map(({ id: _, at: __, ...event }) => event);
  const [button, plans, banner, ...more] = events;
  assert.deepEqual(more, []);
  assert.deepEqual([button?.["experiment"], button?.["unit"], button?.["iteration"]], ["button", "anna", 2]);
  assert.deepEqual([plans?.["cluster_type"], plans?.["cluster"], plans?.["unit"]], ["account", "acme", "anna"]);
  assert.deepEqual([banner?.["experiment"], banner?.["iteration"], banner?.["unit"]], ["winter", 3, "anna"]);
});

for (const fault of ["hang", "503"] as const) {
  test(`${fault}: the last session's values stay, events wait, nothing is thrown`, async () => {
    const first = await visited();
    await first.evaluate(() => window.client.ready);
    await first.close();
    server.fault = fault;
    const page = await visited({ requestTimeoutSeconds: 0.2 });
    const shown = await page.evaluate(async () => {
      await window.client.refresh();
      const value = window.client.string("button", "");
      return { value, done: await window.client.flush(), status: window.client.status };
    });
    assert.match(shown.value, /^#(888|0a0)$/);
    assert.equal(shown.done, false);
    assert.deepEqual([shown.status.source, shown.status.queued, shown.status.dropped], ["last-session", 1, 0]);
    assert.notEqual(shown.status.lastError, null);
    await page.close({ runBeforeUnload: false });
    server.fault = null;
    const again = await visited();
    await again.evaluate(() => window.client.flush());
  });
}

test("without an answer the page goes on with its defaults after the time it gives", async () => {
  server.fault = "hang";
  const page = await visited({ startTimeoutSeconds: 0.1 });
  const value = await page.evaluate(async () => {
    await window.client.ready;
    return window.client.string("button", "mine");
  });
  assert.equal(value, "mine");
});

test("values that the page brings along serve at once", async () => {
  const brought = JSON.stringify({ flags: [{ key: "button", value: "#123", variant: "grey", reason: "STATIC" }] });
  server.pages.set("/", `<!doctype html><link rel=icon href=data:,><script>self.__EQUIPOISE__=${brought}</script>`);
  const page = await visited();
  assert.deepEqual(await page.evaluate(() => [window.client.string("button", ""), window.client.status.source]), [
    "#123",
    "page",
  ]);
});

test("a link to a preview is handed on, kept for the browser's session, and never for the next", async () => {
  const token = "p1.eyJ4IjoxfQ.c2lnbmF0dXJl";
  const first = await visited({}, `/?equipoise_preview=${token}`);
  await first.evaluate(() => window.client.ready);
  const second = await visited();
  await second.evaluate(() => window.client.ready);
  assert.equal(await second.evaluate(() => localStorage.length), 0);
  const last = await visited({}, "/?equipoise_preview=");
  await last.evaluate(() => window.client.ready);
  assert.deepEqual(
    server.asked.map(({ preview }) => preview),
    [token, token, undefined],
  );
});

test("another visitor does not see the last one's values", async () => {
  const page = await visited();
  const shown = await page.evaluate(async () => {
    await window.client.ready;
    const changing = window.client.setContext({ units: { user: "ben" } });
    const meanwhile = window.client.string("button", "mine");
    await changing;
    return [meanwhile, window.client.status.source];
  });
  assert.deepEqual(shown, ["mine", "network"]);
  assert.deepEqual(
    server.asked.map(({ context }) => context),
    [{ user: "anna", account: "acme" }, { user: "ben" }],
  );
});
