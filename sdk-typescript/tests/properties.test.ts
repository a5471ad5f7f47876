/** What has to hold for every snapshot and context, tried on drawn ones; the draws are the same in every run. */
import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";
import { compileSnapshot, SnapshotError, type Context } from "../src/core/index.js";
import { shop } from "./documents.js";

type Node = Record<string, unknown>;

/** xorshift32: numbers in [0, 1). */
class Draw {
  constructor(private state: number) {}

  number(): number {
    this.state ^= this.state << 13;
    this.state ^= this.state >>> 17;
    this.state ^= this.state << 5;
    return (this.state >>> 0) / 2 ** 32;
  }

  one<T>(choices: readonly T[]): T {
    return choices[Math.floor(this.number() * choices.length)] as T;
  }
}

const vectors = new URL("../../../spec/vectors/evaluation/", import.meta.url);
const CASES = readdirSync(vectors).flatMap(
  (file) => JSON.parse(readFileSync(new URL(file, vectors), "utf8")) as Node[],
);
const SNAPSHOTS = [...new Set(CASES.map(({ snapshot }) => JSON.stringify(snapshot)))];
const UNITS = Array.from({ length: 2_000 }, (_, n) => `unit-${n}`);
const STRANGE = [
  null,
  undefined,
  NaN,
  -0,
  1e308,
  "",
  "\ud800",
  "x".repeat(300),
  [],
  {},
  true,
  10n,
  Symbol("s"),
  new Date(0),
];

test("nothing that is passed for a context, key or default makes an evaluation throw", () => {
  const draw = new Draw(1);
  const snapshots = SNAPSHOTS.slice(0, 60).map((text) => compileSnapshot(JSON.parse(text)));
  const thrower = new Proxy(
    {},
    {
      get: () => {
        throw new Error("hostile");
      },
    },
  );
  for (let round = 0; round < 5_000; round++) {
    const snapshot = draw.one(snapshots);
    const part = () =>
      draw.one([
        ...STRANGE,
        thrower,
        Object.fromEntries([[draw.one(["user", "country", "__proto__"]), draw.one(STRANGE)]]),
      ]);
    const context = draw.one([
      part(),
      { units: part(), attributes: part(), overrides: part(), clusters: part(), now: part() },
    ]);
    const key = draw.one([...snapshot.flagKeys, "constructor", ...STRANGE]) as string;
    const fallback = draw.one(STRANGE);
    const decision = snapshot.evaluate(key, context as Context, fallback);
    if (decision.variant === null) assert.ok(Object.is(decision.value, fallback));
  }
});

test("a document damaged anywhere is refused with reasons, or spoils single flags", () => {
  const draw = new Draw(2);
  for (let round = 0; round < 3_000; round++) {
    const document = JSON.parse(draw.one(SNAPSHOTS)) as Node;
    let place: Node = document;
    for (let depth = 0; depth < 6; depth++) {
      const name = draw.one(Object.keys(place));
      const inner = name === undefined ? undefined : place[name];
      if (typeof inner === "object" && inner !== null && draw.number() < 0.8) place = inner as Node;
      else if (name !== undefined)
        place[name] = draw.one([null, 0, -1, "", "x", [], {}, true, [[]], { all: [] }, 2 ** 60]);
    }
    try {
      const snapshot = compileSnapshot(document);
      for (const { reason, variant, errorCode } of snapshot.evaluateAll({ units: { user: "u" } })) {
        assert.ok(reason === "ERROR" ? errorCode !== null : variant !== null);
      }
    } catch (cause) {
      assert.ok(cause instanceof SnapshotError && cause.problems.length > 0, String(cause));
    }
  }
});

test("a kill of the environment beats everything: every flag that has an off variant serves it", () => {
  for (const text of SNAPSHOTS) {
    const document = JSON.parse(text) as Node;
    const flags = document["flags"] as Record<string, { off: string; variants: Record<string, unknown> }>;
    const living = compileSnapshot(document).faults;
    for (const decision of compileSnapshot({ ...document, killed: true }).evaluateAll({ units: { user: "u-1" } })) {
      if (living.has(decision.flagKey)) continue;
      assert.equal(decision.reason, "DISABLED");
      assert.equal(decision.variant, flags[decision.flagKey]?.off);
    }
  }
});

test("a wider gate moves no unit out, a new salt moves about half", () => {
  const variantsWith = (changes: Node): (string | null)[] => {
    const document = shop(1);
    const { button } = document["experiments"] as Record<string, Node>;
    const compiled = compileSnapshot({ ...document, experiments: { button: { ...button, ...changes } } });
    return UNITS.map((user) => compiled.evaluate("button", { units: { user } }, null).enrolment?.arm ?? null);
  };
  let before = variantsWith({ gate: { salt: "gate", parts_per_million: 0 } });
  for (const share of [1_000, 100_000, 250_000, 900_000, 1_000_000]) {
    const now = variantsWith({ gate: { salt: "gate", parts_per_million: share } });
    before.forEach((arm, at) => arm === null || assert.equal(now[at], arm));
    const enrolled = now.filter((arm) => arm !== null).length / UNITS.length;
    assert.ok(Math.abs(enrolled - share / 1e6) < 0.05);
    before = now;
  }
  const moved = variantsWith({ salt: "another" }).filter((arm, at) => arm !== before[at]).length / UNITS.length;
  assert.ok(Math.abs(moved - 0.5) < 0.05, String(moved));
});

test("a unit in a holdout gets the baseline, and both places are told", () => {
  const snapshot = compileSnapshot(shop(1));
  const arms = UNITS.map((user) => {
    const decision = snapshot.evaluate("banner", { units: { user } }, null);
    const [place] = decision.holdouts;
    assert.equal(decision.variant, place?.arm === "holdout" ? "off" : "on");
    return place?.arm;
  });
  assert.ok(Math.abs(arms.filter((arm) => arm === "holdout").length / UNITS.length - 0.5) < 0.05);
});

test("a caller that changes what it got changes no later answer", () => {
  const snapshot = compileSnapshot(shop(1));
  const first = snapshot.evaluate("theme", {}, null);
  (first.value as { colour: string }).colour = "black";
  assert.throws(() => Object.assign(first.metadata, { step: "else" }), TypeError);
  assert.deepEqual(snapshot.evaluate("theme", {}, null).value, { colour: "white" });
});
