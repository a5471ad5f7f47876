/** In Chromium: OpenFeature's OFREP web provider and our browser client, against a real server, see a change. */
import assert from "node:assert/strict";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, test } from "node:test";
import type { Browser, Page } from "playwright-core";
import { launched } from "../chromium.js";
import { bundle } from "../evaluating_server.js";
import { FLAGS, post, previewOf, SCENE } from "./scene.js";

let browser: Browser;
let pages: Server;
let page: Page;

before(async () => {
  browser = await launched();
  const script = await bundle("tests/real/page.ts");
  pages = createServer((request, response) => {
    const isScript = request.url === "/page.js";
    response.writeHead(200, { "content-type": isScript ? "text/javascript" : "text/html" });
    response.end(isScript ? script : "<!doctype html><title>page</title><link rel=icon href=data:,>");
  });
  await new Promise<void>((resolve) => pages.listen(0, "127.0.0.1", resolve));
  page = await browser.newPage();
  await page.goto(`http://localhost:${(pages.address() as AddressInfo).port}/`);
  await page.evaluate(async ({ url, client_key }) => {
    const { begin } = (await import("/page.js" as string)) as typeof import("./page.js");
    await begin(url, client_key);
  }, SCENE);
});

after(async () => {
  await browser.close();
  pages.closeAllConnections();
  await new Promise((resolve) => pages.close(resolve));
});

for (const name of ["ofrep", "equipoise"] as const) {
  for (const [key, wanted] of Object.entries(FLAGS)) {
    test(`${name}: ${key}`, async () => {
      const details = await page.evaluate(([name, key]) => window.ask[name](key), [name, key] as const);
      assert.deepEqual(details, { ...wanted, errorCode: null });
    });
  }

  test(`${name}: an unknown flag`, async () => {
    const details = await page.evaluate((name) => window.ask[name]("no-such"), name);
    assert.deepEqual([details.value, details.reason, details.errorCode], [null, "ERROR", "FLAG_NOT_FOUND"]);
  });
}

test("a kill reaches both pages' clients", async () => {
  await page.waitForFunction(() => window.client.status.source === "network");
  await post("changing-page", "kill");
  for (const name of ["ofrep", "equipoise"] as const) {
    await page.waitForFunction((name) => window.ask[name]("changing-page").reason === "DISABLED", name);
  }
  await post("changing-page", "unkill");
});

test("a link to a preview shows its variant to the visitor who opens it", async () => {
  const token = await previewOf({ button: "green" });
  const { port } = pages.address() as AddressInfo;
  const visitor = await browser.newContext();
  const opened = await visitor.newPage();
  await opened.goto(`http://localhost:${port}/?equipoise_preview=${token}`);
  for (const user of ["a", "b", "c", "d", "e", "f"]) {
    const told = await opened.evaluate(
      async ({ url, client_key, user }) => {
        const { asked } = (await import("/page.js" as string)) as typeof import("./page.js");
        return asked(url, client_key, user);
      },
      { ...SCENE, user },
    );
    assert.deepEqual([told.variant, told.arm], ["green", "override"]);
  }
  await visitor.close();
});

test("a page of another origin reports what its unit met", async () => {
  const { done, status } = await page.evaluate(async () => {
    window.client.string("button", "");
    window.client.track("purchase", { value: 3 });
    return { done: await window.client.flush(5), status: window.client.status };
  });
  assert.deepEqual([done, status.dropped, status.lastError], [true, 0, null]);
});
