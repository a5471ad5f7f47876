/** The provider for OpenFeature's web SDK, with the real SDK in a real Chromium. */
import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, test } from "node:test";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { launched } from "./chromium.js";
import { expected, flags, shop, TOKENS } from "./documents.js";
import { bundle, EvaluatingServer } from "./evaluating_server.js";

let browser: Browser;
let visitor: BrowserContext;
let server: EvaluatingServer;
let script: string;

before(async () => {
  browser = await launched();
  script = await bundle("tests/page_with_openfeature.ts");
});
after(() => browser.close());
beforeEach(async () => {
  server = await EvaluatingServer.started();
  server.scripts.set("/web.js", script);
  visitor = await browser.newContext();
});
afterEach(async () => {
  await visitor.close();
  await server.stop();
});

async function visited(): Promise<Page> {
  const page = await visitor.newPage();
  await page.goto(server.url);
  await page.evaluate(async (serverUrl) => {
    const { begin } = (await import("/web.js" as string)) as typeof import("./page_with_openfeature.js");
    await begin(serverUrl);
  }, server.url);
  return page;
}

test("values of every type, with the reason that the server gave", async () => {
  const page = await visited();
  const { values, details, unknown } = await page.evaluate(() => {
    const { flags } = window;
    return {
      values: [
        flags.getBooleanValue("banner", false),
        flags.getStringValue("button", ""),
        flags.getObjectValue("theme", {}),
      ],
      details: flags.getNumberDetails("plans", 0),
      unknown: flags.getStringDetails("nothing", "mine"),
    };
  });
  assert.equal(typeof values[0], "boolean");
  assert.match(String(values[1]), /^#(888|0a0)$/);
  assert.deepEqual(values[2], { colour: "white" });
  assert.ok([2, 3].includes(details.value));
  assert.deepEqual([details.reason, details.flagMetadata["version"]], ["SPLIT", "1.1"]);
  assert.deepEqual([unknown.value, unknown.errorCode], ["mine", "FLAG_NOT_FOUND"]);
});

test("evaluations expose once, tracks arrive, and the hint keeps an evaluation silent", async () => {
  const page = await visited();
  await page.evaluate(async () => {
    const { flags } = window;
    flags.getBooleanValue("banner", false, { hookHints: { exposure: false } });
    for (const _ of [1, 2]) flags.getStringValue("button", "");
    flags.getNumberValue("plans", 0);
    flags.track("purchase", { value: 3, currency: "EUR" });
    await window.ended();
  });
  const told = server.events.map((event) => [
    event["kind"],
    event["experiment"] ?? event["name"],
    event["unit"],
    event["cluster"],
  ]);
  assert.deepEqual(told, [
    ["exposure", "button", "anna", undefined],
    ["exposure", "plans", "anna", "acme"],
    ["track", "purchase", undefined, undefined],
  ]);
});

test("the next visit says that its values are from the last one; a kill is an event at once", async () => {
  await (await visited()).close();
  const page = await visited();
  assert.equal(await page.evaluate(() => window.flags.getStringDetails("button", "").reason), "CACHED");
  while (server.streamCount === 0) await page.waitForTimeout(20);
  server.publish(shop(2, { flags: { ...flags(), button: { ...flags()["button"], killed: true } } }));
  await page.waitForFunction(() => window.flags.getStringDetails("button", "").reason === "DISABLED");
  assert.ok((await page.evaluate(() => window.heard)).includes("PROVIDER_CONFIGURATION_CHANGED"));
});

test("exposures through OpenFeature carry the token of the answer", async () => {
  server.document = shop(1, TOKENS);
  const page = await visited();
  await page.evaluate(async () => {
    window.flags.getStringValue("button", "");
    await window.ended();
  });
  const [event] = server.events;
  assert.ok(event);
  assert.match(String(event["token"]), /^x1\.3\./);
  assert.equal(event["token"], expected(server.document, event));
});

test("another context gets its own values", async () => {
  const page = await visited();
  await page.evaluate(() => window.become({ targetingKey: "ben" }));
  assert.deepEqual(server.asked.at(-1)?.context, { user: "ben" });
});

test("a server that answers nobody makes the provider stale, until it answers again", async () => {
  const page = await visited();
  server.fault = "503";
  server.dropStreams(true);
  await page.waitForFunction(() => window.heard.at(-1) === "PROVIDER_STALE");
  assert.match(await page.evaluate(() => window.flags.getStringValue("button", "")), /^#/);
  server.fault = null;
  server.dropStreams(false);
  await page.waitForFunction(() => window.heard.at(-1) === "PROVIDER_READY");
});
