/** Small snapshot documents, hashed as a server does. */
import { compileSnapshot, contentHash, type Enrolment } from "../src/core/index.js";

type Node = Record<string, unknown>;

/** A flag of each type, an experiment on the button, a holdout that covers the banner, at a revision. */
export function shop(revision: number, changes: Node = {}): Node {
  return {
    format: 1,
    project: "shop",
    environment: "production",
    epoch: 1,
    revision,
    default_unit_type: "user",
    unit_types: ["user", "account"],
    layers: { checkout: { salt: "layer1", unit_type: "user" }, accounts: { salt: "layer2", unit_type: "account" } },
    holdouts: { winter: { season: 3, salt: "hold1", unit_type: "user", parts_per_million: 500_000 } },
    experiments: { button: button(), plans: plans() },
    flags: flags(),
    ...changes,
  };
}

/** What signs the places that pages report. */
export const TOKENS = { exposure_tokens: { required: true, keys: [{ id: 3, secret: "0af1".repeat(16) }] } };

/** Return the token that belongs to an exposure of today. */
export function expected(document: Node, event: Node): string | undefined {
  const { tokens } = compileSnapshot(document);
  const { experiment, iteration, variant, unit_type, unit, cluster_type, cluster } = event as Record<string, string>;
  const ofCluster = cluster === undefined ? {} : { clusterType: cluster_type, cluster };
  const place = { experiment, iteration, arm: variant, unitType: unit_type, unit, layer: "", ...ofCluster };
  return tokens?.sign(String(event["flag"]), place as unknown as Enrolment, new Date(String(event["at"])));
}

function button(): Node {
  return {
    iteration: 2,
    layer: "checkout",
    unit_type: "user",
    state: "running",
    slots: [[0, 10_000]],
    salt: "split1",
    control: "control",
    variants: [
      { key: "control", weight: 1, values: { button: "grey" } },
      { key: "treatment", weight: 1, values: { button: "green" } },
    ],
  };
}

/** Accounts are randomised, their users are exposed. */
function plans(): Node {
  return {
    ...button(),
    layer: "accounts",
    cluster_type: "account",
    variants: [
      { key: "control", weight: 1, values: { plans: "two" } },
      { key: "treatment", weight: 1, values: { plans: "three" } },
    ],
  };
}

export function flags(): Record<string, Node> {
  return {
    banner: {
      type: "boolean",
      variants: { on: true, off: false },
      off: "off",
      default: "on",
      holdouts: [{ holdout: "winter", baseline: "off" }],
    },
    button: {
      type: "string",
      variants: { grey: "#888", green: "#0a0" },
      off: "grey",
      default: "grey",
      experiments: ["button"],
    },
    plans: { type: "number", variants: { two: 2, three: 3 }, off: "two", default: "two", experiments: ["plans"] },
    theme: { type: "object", variants: { plain: { colour: "white" } }, off: "plain", default: "plain" },
  };
}

export async function hashed(document: Node): Promise<Node> {
  return { ...document, hash: await contentHash(document) };
}
