/** The real server that the tests are run against, and how its people change something. */

export const FLAGS = {
  yes: { value: true, variant: "on", reason: "STATIC" },
  text: { value: "hello", variant: "hello", reason: "STATIC" },
  whole: { value: 3, variant: "three", reason: "STATIC" },
  decimal: { value: 1, variant: "one", reason: "STATIC" },
  object: { value: { colour: "white", sizes: [1, 2] }, variant: "full", reason: "STATIC" },
  killed: { value: false, variant: "off", reason: "DISABLED" },
} as const;

export interface Scene {
  readonly url: string;
  readonly server_key: string;
  readonly client_key: string;
  readonly token: string;
  /** What the server signs its snapshots with, as clients check it. */
  readonly verify_key: string;
}

export const SCENE = JSON.parse(process.env["EQUIPOISE_SCENE"] ?? "{}") as Scene;

/** Kill a flag, or take it back, over the management API. */
export async function post(flag: string, what: "kill" | "unkill"): Promise<void> {
  await managed(`/api/v1/projects/shop/flags/${flag}/environments/production/${what}`, { reason: "a test" });
}

async function managed(path: string, body: object): Promise<string> {
  const headers = { authorization: `Bearer ${SCENE.token}`, "content-type": "application/json" };
  const answer = await fetch(SCENE.url + path, { method: "POST", headers, body: JSON.stringify(body) });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${answer.status}: ${text}`);
  return text;
}

/** Make a link to a preview, and return its token. */
export async function previewOf(overrides: Record<string, string>): Promise<string> {
  const answer = await managed("/api/v1/projects/shop/environments/production/previews", { overrides });
  return (JSON.parse(answer) as { token: string }).token;
}

/** Wait for what another process does. */
export async function eventually(holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error("it did not come about within 10 s");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
