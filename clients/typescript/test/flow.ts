/** Registers, subscribes, reads triggers as they come, and is refused: run by `tests/clients/test_typescript.py`. */
import { HubClient, HubRefused } from "../src/client.js";

declare const process: { env: Record<string, string>; stdout: { write(text: string): void } };

const hub = new HubClient(process.env["HUB_API_URL"] ?? "", process.env["HUB_API_KEY"] ?? "");
const condition = "BTCUSDT 1h: rsi(14) crosses_below 30";
const registered = await hub.post("/conditions/register", { body: { condition } });
const { condition_id } = registered;
await hub.post("/conditions/subscribe", {
    body: { bot_id: "ts", condition_id, bot_type: "dca", bot_config: {} },
});
const status = await hub.get("/conditions/{condition_id}/status", { path: { condition_id } });
const page = await hub.get("/conditions/user/subscriptions", { query: { limit: 10 } });
process.stdout.write(JSON.stringify({ condition_id, state: status.state, subscriptions: page.items.length }) + "\n");

const seqs: number[] = [];
for await (const trigger of hub.triggers({ botId: "ts", afterSeq: 0 })) {
    seqs.push(trigger.seq);
    if (seqs.length === 3) break;
}

let refused: unknown;
try {
    await hub.get("/conditions/{condition_id}/status", { path: { condition_id: "0".repeat(32) } });
} catch (error) {
    if (error instanceof HubRefused) refused = [error.status, error.message];
}
process.stdout.write(JSON.stringify({ seqs, refused }) + "\n");

export function wrongCalls(): void {
    // @ts-expect-error there is no such path
    void hub.get("/condition", {});
    // @ts-expect-error the path needs its part
    void hub.get("/conditions/{condition_id}/status", {});
    // @ts-expect-error there is no such field
    void hub.post("/conditions/unsubscribe", { body: { bot: "ts", condition_id } });
    // @ts-expect-error an answer has no such field
    void registered.id;
}
