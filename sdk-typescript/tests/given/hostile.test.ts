/** Hostile snapshots, which a test beside this one has written down, offered one after the other by a server. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { connect, type Client } from "../../src/server/index.js";

const FOLDER = process.env["EQUIPOISE_GIVEN"] ?? "";
const read = (name: string): Buffer => readFileSync(join(FOLDER, name));
const CONTEXTS = Array.from({ length: 40 }, (_, n) => ({ units: { user: `u-${n}` }, attributes: { country: "DE" } }));

let offered = read("true");
let askedCount = 0;
const server = createServer((_request, response) => {
  askedCount += 1;
  response.writeHead(200, { etag: `"${askedCount}"` }).end(offered);
});
let client: Client;

before(async () => {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  client = await connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, "k", {
    cacheDirectory: null,
    streaming: false,
    pollIntervalSeconds: 0.02,
    logger: { warn: () => undefined },
    outside: { now: () => new Date(), newId: () => crypto.randomUUID(), jitter: () => 0.02 },
  });
  assert.equal(client.status.ready, true);
});

after(async () => {
  await client.close();
  server.closeAllConnections();
  server.close();
});

function answers(): unknown[] {
  return CONTEXTS.flatMap((context) => client.evaluateAll(context).map(({ value, reason }) => [value, reason]));
}

async function until(holds: () => boolean): Promise<void> {
  for (const deadline = Date.now() + 10_000; !holds();) {
    if (Date.now() > deadline) throw new Error("it did not come about within 10 s");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

for (const name of readdirSync(FOLDER).filter((file) => file !== "true")) {
  test(`${name} is refused, and the snapshot before serves on`, async () => {
    const [before, { revision }] = [answers(), client.status];
    offered = read(name);
    await until(() => client.status.lastError !== null);
    assert.deepEqual([answers(), client.status.revision], [before, revision]);
    offered = read("true");
    await until(() => client.status.lastError === null);
  });
}
