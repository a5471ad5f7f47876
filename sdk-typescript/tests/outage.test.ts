/** No fault of server or network changes a value, throws, or delays a start. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { connect, type Client } from "../src/server/index.js";
import { shop } from "./documents.js";
import { FAULTS, FaultyServer, type Fault } from "./faulty_server.js";

const CONTEXTS = Array.from({ length: 50 }, (_, n) => ({ units: { user: `u-${n}`, account: `a-${n}` } }));
const FLAGS = { banner: false, button: "", plans: 0, theme: {} };
const SLACK_MILLISECONDS = 1_000; // of a machine that does other work
const PLAUSIBLE: readonly Fault[] = ["older", "other-environment", "other-content"];
const ends: (() => Promise<unknown>)[] = [];

after(async () => {
  for (const end of ends) await end();
});

async function opened(server: FaultyServer): Promise<Client> {
  const client = await connect(server.url, "eq_server_1", {
    cacheDirectory: null,
    logger: { warn: () => undefined },
    pollIntervalSeconds: 0.02,
    requestTimeoutSeconds: 0.4,
    streamSilenceSeconds: 1,
    outside: { now: () => new Date(), newId: () => crypto.randomUUID(), jitter: () => 0.01 },
  });
  ends.unshift(() => client.close());
  return client;
}

function answers(client: Client): unknown[] {
  return CONTEXTS.flatMap((context) =>
    Object.entries(FLAGS).map(([key, none]) => client.details(key, none, context).value),
  );
}

const FORMS = [false, true].flatMap((zips) => FAULTS.map((fault) => ({ fault, zips })));

for (const { fault, zips } of FORMS) {
  test(`${fault}${zips ? ", compressed" : ""}: no value changes, nothing is thrown, and what comes after is taken`, async () => {
    const server = await FaultyServer.started();
    server.zips = zips;
    ends.push(() => server.stop());
    const client = await opened(server);
    await server.until(() => client.status.ready); // on a busy machine later than the start
    const before = answers(client);
    await server.break(fault);
    await server.until(() => client.status.lastError !== null);
    assert.deepEqual(answers(client), before);
    assert.equal(client.status.revision, 1);
    await server.mend();
    await server.publish(shop(2));
    await server.until(() => client.status.revision === 2);
    assert.deepEqual(answers(client), before);
    assert.equal(await client.flush(), true);
    assert.ok(server.events.length > 0 && client.status.dropped === 0);
  });

  test(`${fault}${zips ? ", compressed" : ""}: a client starts within a second, and serves defaults`, async () => {
    const server = await FaultyServer.started();
    server.zips = zips;
    ends.push(() => server.stop());
    await server.break(fault);
    const began = performance.now();
    const client = await opened(server);
    assert.ok(performance.now() - began < 1_000 + SLACK_MILLISECONDS);
    if (PLAUSIBLE.includes(fault)) return; // to who knows nothing else, these look like the truth
    assert.deepEqual([client.string("button", "mine", CONTEXTS[0] ?? {}), client.status.ready], ["mine", false]);
    assert.equal(client.peek("button", "mine", {}).errorCode, "PROVIDER_NOT_READY");
  });
}
