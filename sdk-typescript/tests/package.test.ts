/** The package as applications install it: every entry opens, the README's example runs, the platforms stay apart. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { build } from "esbuild";
import { BrowserClient } from "../src/browser/index.js";
import { Visit } from "../src/edge/index.js";
import { Client } from "../src/server/index.js";
import { shop } from "./documents.js";
import { FaultyServer } from "./faulty_server.js";

const PACKAGE = fileURLToPath(new URL("../..", import.meta.url));
const run = promisify(execFile);

/** Run a module of an application that has the package installed. */
async function ran(source: string): Promise<string> {
  const folder = await mkdtemp(join(PACKAGE, "build", "application-"));
  await writeFile(join(folder, "main.mjs"), source);
  const { stdout } = await run(process.execPath, [join(folder, "main.mjs")], {
    cwd: PACKAGE,
    env: { ...process.env, XDG_CACHE_HOME: folder },
    timeout: 20_000,
  });
  return stdout;
}

test("every entry opens by its name", async () => {
  const entries = {
    "@equipoise/sdk": "compileSnapshot",
    "@equipoise/sdk/server": "connect",
    "@equipoise/sdk/browser": "start",
    "@equipoise/sdk/browser.min.js": "start",
    "@equipoise/sdk/edge": "Edge",
    "@equipoise/sdk/openfeature-server": "EquipoiseProvider",
    "@equipoise/sdk/openfeature-web": "EquipoiseWebProvider",
  };
  const lines = Object.entries(entries).map(
    ([entry, name]) => `console.log(typeof (await import("${entry}")).${name});`,
  );
  const said = (await ran(lines.join("\n"))).trim().split("\n");
  assert.deepEqual(
    said,
    Object.keys(entries).map(() => "function"),
  );
});

test("the README's example for Node runs, and its process ends by itself", async () => {
  const server = await FaultyServer.started(renamed());
  const readme = await readFile(join(PACKAGE, "README.md"), "utf8");
  const example = /## Node\n+```js\n(.*?)```/s.exec(readme)?.[1] ?? "";
  const source = example.replace("https://flags.example.org", server.url).replace("eq_server_…", "eq_server_1");
  try {
    assert.match(await ran(source), /^#(888|0a0) 1\n$/);
    assert.deepEqual(
      server.events.map(({ kind }) => kind),
      ["exposure", "track"],
    );
    await ran(source.replace("await client.close();", ""));
    assert.equal(server.events.length, 4, "what was queued at the end is sent before the process ends");
  } finally {
    await server.stop();
  }
});

test("core, browser and edge need nothing of Node", async () => {
  for (const entry of ["core", "browser", "edge"]) {
    const { metafile } = await build({
      entryPoints: [`src/${entry}/index.ts`],
      absWorkingDir: PACKAGE,
      bundle: true,
      format: "esm",
      platform: "neutral",
      target: "es2022",
      write: false,
      metafile: true,
    });
    const strangers = Object.keys(metafile.inputs).filter(
      (path) => !/^src\/(core|reporting|delivery|browser|edge)\//.test(path),
    );
    assert.deepEqual(strangers, []);
  }
});

test("every option and every call is in the reference", async () => {
  const reference = await readFile(join(PACKAGE, "..", "docs", "reference", "sdk-typescript.md"), "utf8");
  const sources = [
    "server/settings.ts",
    "browser/settings.ts",
    "edge/settings.ts",
    "openfeature/server.ts",
    "openfeature/web.ts",
  ];
  const options = await Promise.all(
    sources.map(async (path) => {
      const text = await readFile(join(PACKAGE, "src", path), "utf8");
      const interfaces = text.matchAll(/export interface \w*Options[^{]*\{(.*?)^\}/gms);
      return [...interfaces].flatMap((found) =>
        [...(found[1] ?? "").matchAll(/^  readonly (\w+)\??:/gm)].map((name) => name[1] ?? ""),
      );
    }),
  );
  const calls = [Client, BrowserClient, Visit].flatMap((known) => Object.getOwnPropertyNames(known.prototype));
  const names = [...new Set([...options.flat(), ...calls])].filter((name) => name !== "constructor");
  assert.ok(names.length > 50);
  assert.deepEqual(
    names.filter((name) => !new RegExp(`\\b${name}\\b`).test(reference)),
    [],
  );
});

test("the package depends on nothing", async () => {
  const { dependencies } = JSON.parse(await readFile(join(PACKAGE, "package.json"), "utf8")) as {
    dependencies?: object;
  };
  assert.equal(dependencies, undefined);
});

function renamed(): Record<string, unknown> {
  return JSON.parse(JSON.stringify(shop(1)).replaceAll('"button"', '"checkout-button"')) as Record<string, unknown>;
}
