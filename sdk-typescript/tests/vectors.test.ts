/** The golden vectors of spec/vectors hold in TypeScript. */
import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";
import { compileSnapshot, hashUnit, memberHash, Members, pick, slot, type Enrolment } from "../src/core/index.js";
import { previewed } from "../src/core/previews.js";
import { ringOf } from "../src/core/tokens.js";

const vectors = new URL("../../../spec/vectors/", import.meta.url);

function read<T>(name: string): T[] {
  return JSON.parse(readFileSync(new URL(name, vectors), "utf8")) as T[];
}

interface Case {
  readonly name: string;
  readonly snapshot: unknown;
  readonly flag: string;
  readonly context: object;
  readonly code_default: unknown;
  readonly blobs?: Record<string, string>;
  readonly expected: {
    readonly value: unknown;
    readonly variant: string | null;
    readonly reason: string;
    readonly error_code: string | null;
    readonly enrolment: object | null;
    readonly metadata?: Record<string, unknown>;
    readonly absent?: string[];
    readonly holdouts?: object[];
  };
}

function decoded(blobs: Record<string, string>): Map<string, Members> {
  const entries = Object.entries(blobs);
  return new Map(
    entries.map(([address, text]) => [address, new Members(Uint8Array.from(Buffer.from(text, "base64")))]),
  );
}

/** A place in the words of the vectors. */
function written(place: Enrolment | null): object | null {
  if (place === null) return null;
  const { unitType, clusterType, cluster, ...rest } = place;
  const ofCluster = clusterType === undefined ? {} : { cluster_type: clusterType, cluster };
  return { ...rest, unit_type: unitType, ...ofCluster };
}

test("units hash to the same numbers and slots", () => {
  const rows = read<{ salt: string; unit: string; hash: number; slot: number }>("hashing.json");
  for (const { salt, unit, hash, slot: place } of rows) {
    assert.deepEqual([hashUnit(salt, unit), slot(salt, unit)], [hash, place], `${salt}:${unit}`);
  }
});

test("places are signed with the same tokens", () => {
  interface Signed {
    readonly ring: { readonly project: string; readonly environment: string; readonly keys: unknown[] };
    readonly cases: { name: string; now: number; claim: Record<string, string | number | null>; token: string }[];
  }
  const { ring, cases } = JSON.parse(readFileSync(new URL("exposure-tokens.json", vectors), "utf8")) as Signed;
  const held = ringOf({ required: true, keys: ring.keys }, ring.project, ring.environment);
  assert.ok(cases.length > 5);
  for (const { name, now, claim, token } of cases) {
    const { experiment, iteration, flag, variant: arm, unit_type, unit, cluster_type, cluster } = claim;
    const ofCluster = cluster === null ? {} : { clusterType: cluster_type, cluster };
    const place = { experiment, iteration, arm, unitType: unit_type, unit, layer: "", ...ofCluster } as Enrolment;
    assert.equal(held?.sign(String(flag), place, new Date(now * 1000)), token, name);
  }
});

test("a snapshot without a usable key signs nothing", () => {
  for (const member of [undefined, {}, { keys: [] }, { keys: [7] }, { keys: [{ id: 1, secret: "short" }] }])
    assert.equal(ringOf(member, "shop", "production"), null);
});

test("members hash to the same 64 bits", () => {
  for (const { salt, unit, hash } of read<{ salt: string; unit: string; hash: string }>("members.json")) {
    assert.equal(memberHash(salt, unit).toString(16).padStart(16, "0"), hash);
  }
});

test("hashes fall into the same arms", () => {
  for (const { hash, weights, index } of read<{ hash: number; weights: number[]; index: number }>("pick.json")) {
    assert.equal(pick(hash, weights), index);
  }
});

interface Preview {
  readonly name: string;
  readonly scope: { readonly project: string; readonly environment: string; readonly key: string | null };
  readonly now: number;
  readonly token: string;
  readonly overrides: Record<string, string>;
}

for (const { name, scope, now, token, overrides } of read<Preview>("preview.json")) {
  test(`preview: ${name}`, async () => {
    assert.deepEqual(await previewed(token, { ...scope, previewKey: scope.key }, now), overrides);
  });
}

for (const file of readdirSync(new URL("evaluation/", vectors))) {
  for (const { name, snapshot, flag, context, code_default, blobs = {}, expected } of read<Case>(
    `evaluation/${file}`,
  )) {
    test(`${file}: ${name}`, () => {
      const compiled = compileSnapshot(snapshot, decoded(blobs));
      const decision = compiled.evaluate(flag, context, code_default);
      const { metadata = {}, absent = [], holdouts = [], ...answer } = expected;
      const { value, variant, reason, errorCode } = decision;
      const enrolment = written(decision.enrolment);
      assert.deepEqual({ value, variant, reason, error_code: errorCode, enrolment }, answer);
      assert.deepEqual(decision.holdouts.map(written), holdouts);
      for (const [member, wanted] of Object.entries(metadata)) assert.equal(decision.metadata[member], wanted, member);
      for (const member of absent) assert.ok(!(member in decision.metadata), member);
      const alone = compiled.flagKeys.map((key) => compiled.evaluate(key, context, null));
      assert.deepEqual(compiled.evaluateAll(context), alone);
    });
  }
}
