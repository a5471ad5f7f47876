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
}

export const SCENE = JSON.parse(process.env["EQUIPOISE_SCENE"] ?? "{}") as Scene;

/** Kill a flag, or take it back, over the management API. */
export async function post(flag: string, what: "kill" | "unkill"): Promise<void> {
  const path = `/api/v1/projects/shop/flags/${flag}/environments/production/${what}`;
  const answer = await fetch(SCENE.url + path, {
    method: "POST",
    headers: { authorization: `Bearer ${SCENE.token}`, "content-type": "application/json" },
    body: JSON.stringify({ reason: "a test" }),
  });
  if (!answer.ok) throw new Error(`${answer.status}: ${await answer.text()}`);
}

/** Wait for what another process does. */
export async function eventually(holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error("it did not come about within 10 s");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
