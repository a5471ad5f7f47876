/** A page with both clients; bundled for the tests in Chromium. */
import { OFREPWebProvider } from "@openfeature/ofrep-web-provider";
import { OpenFeature, type EvaluationDetails, type FlagValue } from "@openfeature/web-sdk";
import { start, type BrowserClient } from "../../src/browser/index.js";

interface Told {
  readonly value: unknown;
  readonly variant: string | null;
  readonly reason: string | null;
  readonly errorCode: string | null;
}

declare global {
  interface Window {
    client: BrowserClient;
    ask: Record<"ofrep" | "equipoise", (key: string) => Told>;
  }
}

export async function begin(serverUrl: string, key: string): Promise<void> {
  window.client = start({ serverUrl, key, startTimeoutSeconds: 5 }, { units: { user: "anna" } });
  await window.client.ready;
  await OpenFeature.setContext({ targetingKey: "anna" });
  const headers: [string, string][] = [["Authorization", `Bearer ${key}`]];
  const remote = new OFREPWebProvider({ baseUrl: serverUrl, headers });
  await OpenFeature.setProviderAndWait(remote as never); // its types are of another strictness
  const flags = OpenFeature.getClient();
  window.ask = {
    equipoise: (asked) => {
      const { value, variant, reason, errorCode } = window.client.peek<unknown>(asked, null);
      return { value, variant, reason, errorCode };
    },
    ofrep: (asked) => {
      const typed: EvaluationDetails<FlagValue>[] = [
        flags.getBooleanDetails(asked, false),
        flags.getStringDetails(asked, ""),
        flags.getNumberDetails(asked, 0),
        flags.getObjectDetails(asked, {}),
      ];
      const fits = typed.find(({ errorCode }) => errorCode !== "TYPE_MISMATCH");
      const { value = null, variant, reason, errorCode } = fits ?? {};
      const isError = errorCode !== undefined;
      return {
        value: isError ? null : value,
        variant: variant ?? null,
        reason: reason ?? null,
        errorCode: errorCode ?? null,
      };
    },
  };
}

/** What one visitor's button is, as this page was opened. */
export async function asked(
  serverUrl: string,
  key: string,
  user: string,
): Promise<{ variant: string | null; arm: unknown }> {
  const client = start({ serverUrl, key, startTimeoutSeconds: 5 }, { units: { user } });
  await client.ready;
  const { variant, metadata } = client.peek<unknown>("button", null);
  await client.close();
  return { variant, arm: metadata["experiment.arm"] };
}
