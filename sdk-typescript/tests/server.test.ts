/** The client for Node: what it decides, reports and remembers. */
import assert from "node:assert/strict";
import { createHmac, generateKeyPairSync, sign, createHash } from "node:crypto";
import { mkdtemp, readdir, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { connect, inMemory, MemoryStickyStore, type Client, type Options } from "../src/server/index.js";
import { hashed, shop, TOKENS } from "./documents.js";
import { FaultyServer } from "./faulty_server.js";

const ends: (() => Promise<unknown>)[] = [];
const said: string[] = [];
const logger = { warn: (text: string): void => void said.push(text) };
const ANNA = { units: { user: "anna", account: "acme" }, attributes: { country: "DE", mail: "a@example.org" } };

after(async () => {
  for (const end of ends) await end();
});

async function started(document = shop(1)): Promise<FaultyServer> {
  const server = await FaultyServer.started(document);
  ends.push(() => server.stop());
  return server;
}

async function opened(server: FaultyServer, options: Options = {}): Promise<Client> {
  const given = { cacheDirectory: null, logger, pollIntervalSeconds: 0.05, requestTimeoutSeconds: 0.5, ...options };
  const client = await connect(server.url, "eq_server_1", given);
  ends.unshift(() => client.close());
  // On a busy machine the first answer may come later than the start.
  if (server.fault === null && options.verifyKeys === undefined) await server.until(() => client.status.ready);
  return client;
}

function folder(): Promise<string> {
  return mkdtemp(join(tmpdir(), "equipoise-"));
}

test("a flag of each type gives its value", async () => {
  const client = await opened(await started());
  assert.equal(typeof client.boolean("banner", false, ANNA), "boolean");
  assert.match(client.string("button", "#fff", ANNA), /^#(888|0a0)$/);
  assert.ok([2, 3].includes(client.number("plans", 1, ANNA)));
  assert.deepEqual(client.object("theme", { colour: "" }, ANNA), { colour: "white" });
  assert.equal(client.status.ready, true);
  assert.equal(client.status.revision, 1);
});

test("an unknown flag and a default of another type give the default, and say so once", async () => {
  const client = await opened(await started());
  said.length = 0;
  for (const _ of [1, 2]) assert.equal(client.number("nothing", 7, ANNA), 7);
  assert.equal(client.number("button", 7, ANNA), 7);
  assert.equal(client.details("button", 7, ANNA).errorCode, "TYPE_MISMATCH");
  assert.deepEqual(said, ["nothing: the snapshot has no such flag", "button: the flag is of type string"]);
});

test("what units met is reported once, with its cluster, and places in holdouts too", async () => {
  const server = await started();
  const client = await opened(server, { exposureAttributes: ["country"] });
  for (const _ of [1, 2]) for (const flag of ["button", "plans", "banner"]) client.details(flag, null, ANNA);
  assert.equal(await client.flush(), true);
  const [button, plans, banner, ...more] = server.events;
  assert.deepEqual(more, []);
  assert.equal(button?.["experiment"], "button");
  assert.deepEqual(button["attributes"], { country: "DE" });
  assert.deepEqual(
    [button["unit_type"], button["unit"], button["iteration"], button["revision"]],
    ["user", "anna", 2, 1],
  );
  assert.deepEqual([plans?.["unit"], plans?.["cluster_type"], plans?.["cluster"]], ["anna", "account", "acme"]);
  assert.deepEqual([banner?.["experiment"], banner?.["iteration"], banner?.["flag"]], ["winter", 3, "banner"]);
  assert.ok(["holdout", "open"].includes(String(banner?.["variant"])));
  assert.match(String(button["id"]), /^[0-9a-f-]{36}$/);
});

test("peeking reports nothing until it is exposed, with the mark of a counterfactual", () => {
  const client = inMemory(shop(1));
  const decision = client.peek("button", "#fff", ANNA);
  assert.deepEqual(client.recorded, []);
  assert.deepEqual(Object.fromEntries(client.counterfactual(decision)), { control: "#888", treatment: "#0a0" });
  client.expose(decision, { differs: true });
  client.expose(decision, { differs: true });
  assert.equal(client.recorded.length, 1);
  assert.equal(client.recorded[0]?.["differs"], true);
});

test("an earlier exposure is reported again, a later one is not", () => {
  const client = inMemory(shop(1));
  const [noon, morning] = [new Date("2026-03-02T12:00:00Z"), new Date("2026-03-02T08:00:00Z")];
  for (const at of [noon, morning, noon]) client.string("button", "", ANNA, { at });
  assert.deepEqual(
    client.recorded.map((event) => event["at"]),
    [noon.toISOString(), morning.toISOString()],
  );
});

test("a clock that is set back makes no exposure news", () => {
  let minutes = 60;
  const outside = { now: () => new Date(Date.UTC(2026, 2, 2, 12, minutes--)), newId: () => "id", jitter: () => 0 };
  const client = inMemory(shop(1), { outside });
  for (const _ of [1, 2, 3]) client.string("button", "", ANNA);
  assert.equal(client.recorded.length, 1);
});

test("an overridden unit is not reported", () => {
  const client = inMemory(shop(1));
  const decision = client.details("button", "", { ...ANNA, overrides: { button: "green" } });
  assert.deepEqual([decision.value, decision.metadata["experiment.arm"]], ["#0a0", "override"]);
  assert.deepEqual(client.recorded, []);
});

test("a track carries units, value and properties, and no attributes", () => {
  const client = inMemory(shop(1));
  client.track("purchase", ANNA, { value: 12.5, properties: { currency: "EUR" } });
  const [{ id: _, at: __, ...event } = {}] = client.recorded;
  assert.deepEqual(event, {
    kind: "track",
    name: "purchase",
    units: { user: "anna", account: "acme" },
    value: 12.5,
    properties: { currency: "EUR" },
  });
});

test("what cannot be reported is counted and never thrown", async () => {
  const client = await opened(await started());
  client.track("", {}, { value: NaN });
  client.track("purchase", ANNA, { properties: { big: 1n } });
  client.track("purchase", ANNA, { at: new Date(NaN) });
  client.string("button", "", null as never);
  assert.equal(client.status.dropped, 3);
});

test("a full queue keeps exposures and drops tracks", async () => {
  const server = await started();
  const client = await opened(server, { queueSize: 2 });
  await server.break("503");
  for (const name of ["one", "two", "three"]) client.track(name, ANNA);
  client.string("button", "", ANNA);
  assert.equal(client.status.dropped, 2);
  await server.mend();
  await server.until(() => server.events.length === 2);
  assert.deepEqual(
    server.events.map((event) => event["kind"]),
    ["exposure", "track"],
  );
});

test("a unit keeps its first cluster when a store remembers it", () => {
  const document = shop(1);
  const follows = inMemory(document);
  const keeps = inMemory(document, { stickyStore: new MemoryStickyStore() });
  const accounts = Array.from({ length: 20 }, (_, n) => `account-${n}`);
  const seen = (client: Client) =>
    new Set(accounts.map((account) => client.number("plans", 0, { units: { user: "anna", account } })));
  assert.equal(seen(follows).size, 2);
  assert.equal(seen(keeps).size, 1);
});

test("a store that fails costs no value", () => {
  const broken = {
    get: () => {
      throw new Error("away");
    },
    keep: () => {
      throw new Error("away");
    },
  };
  const client = inMemory(shop(1), { stickyStore: broken, logger });
  assert.ok([2, 3].includes(client.number("plans", 0, ANNA)));
});

test("the values of a page are vouched for, without the key", () => {
  const client = inMemory(shop(1, TOKENS));
  const script = client.bootstrapScript(ANNA);
  assert.equal(script.match(/"exposure\.token":"x1\.3\.\d+\.[\w-]{22}"/g)?.length, 2);
  assert.match(script, /"holdout\.token":"x1\.3\./);
  assert.ok(!script.includes(TOKENS.exposure_tokens.keys[0]?.secret ?? ""));
});

test("a page gets the values of its visitor, safely written, and no rule", () => {
  const flags = shop(1)["flags"] as Record<string, object>;
  const risky = { ...flags["theme"], variants: { plain: { text: "</script><script>alert(1)//\u2028" } } };
  const client = inMemory(shop(1, { flags: { ...flags, risky } }));
  const script = client.bootstrapScript(ANNA, { nonce: 'n"1' });
  assert.match(script, /^<script nonce="n1">self\.__EQUIPOISE__=[^<>\u2028]*<\/script>$/);
  const brought = JSON.parse(/=(\{.*\})</.exec(script)?.[1] ?? "") as {
    flags: { key: string; value: unknown }[];
    units: object;
  };
  assert.deepEqual(
    brought.flags.map(({ key }) => key),
    client.evaluateAll(ANNA).map(({ flagKey }) => flagKey),
  );
  assert.deepEqual(brought.flags.at(-1)?.value, { text: "</script><script>alert(1)//\u2028" });
  assert.deepEqual(brought.units, ANNA.units);
  assert.ok(!script.includes("split1"));
  assert.deepEqual(client.recorded, []);
});

test("bad arguments are refused all at once", async () => {
  const bad = { pollIntervalSeconds: -1, verifyKeys: ["short"], queueSize: 0 };
  await assert.rejects(connect("ftp://x", "", bad), (cause: Error) => {
    assert.match(cause.message, /serverUrl .*; key .*; verifyKeys .*; pollIntervalSeconds .*; queueSize /);
    return cause instanceof TypeError;
  });
});

test("a change arrives over the stream, and a kill before it", async () => {
  const server = await started();
  const client = await opened(server, { pollIntervalSeconds: 60 });
  await server.until(() => client.status.source === "stream");
  const changes: string[] = [];
  client.onChange(() => changes.push(client.string("button", "", ANNA)));
  server.tell("kill", { level: "flag", flag: "button", epoch: 1, revision: 2 });
  await server.until(() => changes.length > 0);
  assert.deepEqual(client.peek("button", "", ANNA).metadata["kill_level"], "flag");
  assert.equal(client.status.revision, 1);
  await server.publish({ ...shop(2), killed: true });
  await server.until(() => client.status.revision === 2);
  assert.equal(client.peek("button", "", ANNA).metadata["kill_level"], "environment");
});

test("a kill that the snapshot already knows of is not applied twice", async () => {
  const server = await started(shop(5));
  const client = await opened(server, { pollIntervalSeconds: 60 });
  await server.until(() => client.status.source === "stream");
  server.tell("kill", { level: "flag", flag: "theme", epoch: 1, revision: 5 });
  server.tell("kill", { level: "flag", flag: "button", epoch: 1, revision: 6 });
  await server.until(() => client.peek("button", "", ANNA).reason === "DISABLED");
  assert.equal(client.peek("theme", {}, ANNA).reason, "STATIC");
});

test("without a stream the client polls", async () => {
  const server = await started();
  server.offersStream = false;
  const client = await opened(server);
  await server.publish(shop(2));
  await server.until(() => client.status.revision === 2);
  assert.equal(client.status.source, "poll");
});

test("the last snapshot serves the next start from disk, and a damaged file is ignored", async () => {
  const [server, cacheDirectory] = [await started(), await folder()];
  const first = await opened(server, { cacheDirectory });
  const value = first.string("button", "", ANNA);
  await first.close();
  await server.break("refuse");
  const began = performance.now();
  const second = await opened(server, { cacheDirectory });
  const seconds = (performance.now() - began) / 1000;
  console.log(`# served from disk after ${(seconds * 1000).toFixed(0)} ms`);
  assert.ok(seconds < 1);
  assert.deepEqual([second.string("button", "", ANNA), second.status.source], [value, "disk"]);
  const [name = ""] = await readdir(cacheDirectory);
  const content = await readFile(join(cacheDirectory, name));
  for (let at = 0; at < content.length; at += Math.ceil(content.length / 25)) {
    const damaged = Buffer.from(content);
    damaged[at] = (damaged[at] ?? 0) ^ 1;
    await writeFile(join(cacheDirectory, name), damaged);
    const third = await opened(server, { cacheDirectory });
    assert.deepEqual([third.string("button", "none", ANNA), third.status.source], ["none", "none"], `byte ${at}`);
    await third.close();
  }
});

test("a document that the application brings along serves when nothing else is there", async () => {
  const server = await started();
  await server.break("refuse");
  const client = await opened(server, { bootstrap: await hashed(shop(1)) });
  assert.deepEqual([client.status.source, client.status.revision], ["bootstrap", 1]);
  for (const bootstrap of [{ flags: 1n }, [], { ...shop(1), epoch: "1" }]) {
    assert.equal((await opened(server, { bootstrap })).status.source, "none");
  }
});

test("the server knows better than what the application brings along, whatever its number", async () => {
  const server = await started(shop(3));
  for (const changes of [
    { revision: 3, killed: true },
    { revision: 9 },
    { environment: "staging" },
    { project: "other" },
  ]) {
    const client = await opened(server, { bootstrap: { ...shop(3), ...changes } });
    await server.until(() => client.status.lastError === null && ["poll", "stream"].includes(client.status.source));
    const { environment, project, revision } = client.scope;
    assert.deepEqual([project, environment, revision], ["shop", "production", 3]);
    assert.notEqual(client.peek("button", "", ANNA).reason, "DISABLED");
    await client.close();
  }
});

test("with keys to verify, only what they signed serves, from the network and from disk", async () => {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  const raw = Buffer.from(String(publicKey.export({ format: "jwk" }).x), "base64url");
  const [server, cacheDirectory] = [await started(), await folder()];
  const verifyKeys = [raw.toString("base64")];
  const unsigned = await opened(server, { verifyKeys, cacheDirectory });
  await server.until(() => unsigned.status.lastError !== null);
  assert.equal(unsigned.status.ready, false);
  assert.match(String(unsigned.status.lastError), /not signed with a key that is trusted/);
  const { project, environment, epoch, revision, hash } = server.document;
  const lines = ["equipoise-snapshot-v1", project, environment, epoch, revision, hash].join("\n");
  const id = createHash("sha256").update(raw).digest("hex").slice(0, 16);
  server.signature = `${id} ${sign(null, Buffer.from(lines), privateKey).toString("base64")}`;
  const signed = await opened(server, { verifyKeys, cacheDirectory });
  await server.until(() => signed.status.ready);
  await signed.close();
  await server.break("refuse");
  assert.equal((await opened(server, { verifyKeys, cacheDirectory })).status.source, "disk");
  const other = generateKeyPairSync("ed25519").publicKey.export({ format: "jwk" });
  const stranger = [Buffer.from(String(other.x), "base64url").toString("base64")];
  assert.equal((await opened(server, { verifyKeys: stranger, cacheDirectory })).status.source, "none");
});

test("a token of a link to a preview holds when it is ours, whole and timely", async () => {
  const key = "ab".repeat(32);
  const client = inMemory({ ...shop(1), preview_key: key });
  const soon = Math.floor(Date.now() / 1000) + 60;
  const asked = { environment: "production", expires: soon, overrides: { button: "green" }, project: "shop" };
  const token = signedToken(asked, key);
  assert.deepEqual(await client.preview(token), { button: "green" });
  const void_ = [
    signedToken({ ...asked, expires: soon - 120 }, key),
    signedToken({ ...asked, expires: soon + 31 * 86_400 }, key),
    signedToken({ ...asked, project: "other" }, key),
    signedToken({ ...asked, environment: "staging" }, key),
    signedToken({ ...asked, overrides: { button: 1 } }, key),
    signedToken({ ...asked, overrides: Object.fromEntries(Array.from({ length: 51 }, (_, n) => [`f${n}`, "x"])) }, key),
    signedToken(asked, "cd".repeat(32)),
    `${token.slice(0, -2)}AA`,
    `${token}.`,
    "x".repeat(5_000),
    null,
  ];
  for (const other of void_) assert.deepEqual(await client.preview(other), {}, String(other).slice(0, 80));
  assert.deepEqual(await inMemory(shop(1)).preview(token), {});
});

function signedToken(asked: object, key: string): string {
  const payload = Buffer.from(JSON.stringify(asked)).toString("base64url");
  const mac = createHmac("sha256", Buffer.from(key, "hex"));
  return `p1.${payload}.${mac.update(`equipoise-preview:shop/production:${payload}`).digest("base64url")}`;
}

test("lists of members come from the server once, then from disk; a missing one spoils its flags alone", async () => {
  const list = Buffer.from("0000000000000001ffffffffffffffff", "hex");
  const address = createHash("sha256").update(list).digest("hex");
  const among = { members: { unit_type: "user", blob: address, salt: "list1" } };
  const document = shop(1);
  const flags = document["flags"] as Record<string, object>;
  const rules = [{ id: "r1", eligibility: { not: among }, serve: "green" }];
  const server = await started({
    ...document,
    flags: { ...flags, listed: { ...flags["button"], experiments: [], rules } },
  });
  const cacheDirectory = await folder();
  const client = await opened(server, { cacheDirectory });
  assert.equal(client.peek("listed", "", ANNA).errorCode, "GENERAL");
  assert.match(client.string("button", "", ANNA), /^#/);
  server.members.set(address, Buffer.alloc(8)); // a list, and another one
  await server.until(() => server.asked.filter((path) => path.includes("/members/")).length > 2);
  assert.equal(client.peek("listed", "", ANNA).errorCode, "GENERAL");
  server.members.set(address, list);
  await server.until(() => client.peek("listed", "", ANNA).errorCode === null);
  assert.equal(client.string("listed", "", ANNA), "#0a0");
  await client.close();
  await server.break("refuse");
  const again = await opened(server, { cacheDirectory });
  assert.equal(again.string("listed", "", ANNA), "#0a0");
});

test("what was dropped is told with the next batch, once, under an id that it keeps until it arrives", async () => {
  const server = await started();
  const client = await opened(server);
  client.track("", ANNA);
  await server.break("503");
  client.track("one", ANNA);
  await client.flush(1);
  client.track("", ANNA);
  await server.mend();
  assert.equal(await client.flush(), true);
  client.track("two", ANNA);
  assert.equal(await client.flush(), true);
  client.track("three", ANNA);
  assert.equal(await client.flush(), true);
  const told = server.bodies.filter((body) => body["dropped"] !== undefined);
  const counted = new Map(told.map((body) => [body["batch"], body["dropped"]]));
  assert.deepEqual([...counted.values()], [{ invalid: 1 }, { invalid: 1 }]);
  assert.equal(server.bodies.at(-1)?.["dropped"], undefined);
});
