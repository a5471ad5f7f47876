/** A page that asks for flags through OpenFeature; bundled for the tests of the web provider. */
import { OpenFeature, ProviderEvents, type Client, type EvaluationContext } from "@openfeature/web-sdk";
import { EquipoiseWebProvider } from "../src/openfeature/web.js";

declare global {
  interface Window {
    flags: Client;
    heard: string[];
    become(context: EvaluationContext): Promise<void>;
    ended(): Promise<void>;
  }
}

export async function begin(serverUrl: string): Promise<void> {
  const units = { unitType: "user", otherUnitTypes: ["account"] };
  const options = { serverUrl, key: "eq_client_1", ...units, staleAfterSeconds: 0.4, pollSeconds: 0.2 };
  window.heard = [];
  for (const event of [ProviderEvents.ConfigurationChanged, ProviderEvents.Stale, ProviderEvents.Ready]) {
    OpenFeature.addHandler(event, () => void window.heard.push(event));
  }
  await OpenFeature.setContext({ targetingKey: "anna", account: "acme" });
  await OpenFeature.setProviderAndWait(new EquipoiseWebProvider(options));
  window.flags = OpenFeature.getClient();
  window.become = (context) => OpenFeature.setContext(context);
  window.ended = () => OpenFeature.close();
}
