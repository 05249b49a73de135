/**
 * The client of the Condition Hub's HTTP API. Paths, bodies and answers are typed by `api.d.ts`, which is generated from
 * the hub's OpenAPI description.
 *
 *     const hub = new HubClient("http://127.0.0.1:8000", key);
 *     const { condition_id } = await hub.post("/conditions/register", {
 *         body: { condition: "BTCUSDT 1h: rsi(14) crosses_below 30" },
 *     });
 *     await hub.post("/conditions/subscribe", {
 *         body: { bot_id: "dca_bot_123", condition_id, bot_type: "dca", bot_config: {} },
 *     });
 *     for await (const trigger of hub.triggers({ botId: "dca_bot_123" })) console.log(trigger.price);
 */
import type { components, paths } from "./api";
import { EventParser } from "./events.js";

export type { components, paths } from "./api";
export type Trigger = components["schemas"]["TriggerAnswer"];
export type Problem = components["schemas"]["Problem"];

type Method = "get" | "post" | "delete";
type Operation<M extends Method, P extends keyof paths> = NonNullable<paths[P][M]>;
/** The paths that have a method. */
export type PathsOf<M extends Method> = {
    [P in keyof paths]: [Operation<M, P>] extends [never] ? never : P;
}[keyof paths];
type Part<O, Name extends string> = O extends { parameters: Record<Name, infer Value> } ? Value : never;
type OptionalPart<O, Name extends string> = O extends { parameters: { [K in Name]?: infer Value } } ? Value : never;
type BodyOf<O> = O extends { requestBody: { content: { "application/json": infer Value } } } ? Value : never;
type Content<R> = R extends { content: { "application/json": infer Value } } ? Value : never;
/** What an operation answers. */
export type AnswerOf<O> = O extends { responses: infer R } ? { [S in keyof R & (200 | 201)]: Content<R[S]> }[keyof R & (200 | 201)] : never;
/** What an operation is asked with: `path` and `body` where it has them, `query` if wanted. */
export type Asked<O> = ([Part<O, "path">] extends [never] ? unknown : { path: Part<O, "path"> }) &
    ([BodyOf<O>] extends [never] ? unknown : { body: BodyOf<O> }) & { query?: OptionalPart<O, "query"> };

/** The hub refused a request. */
export class HubRefused extends Error {
    constructor(
        readonly status: number,
        readonly problem: Partial<Problem>,
    ) {
        super(problem.detail ?? `the hub answers ${status}`);
        this.name = "HubRefused";
    }
}

const PASSING = new Set([429, 502, 503, 504]);
const FIRST_MS = 100;
const LONGEST_MS = 5_000;
const QUIET_MS = 60_000;

export interface HubOptions {
    /** How long all attempts at one request may take together; 30,000 by default. Every request may be repeated. */
    patienceMs?: number;
}

export interface TriggerOptions {
    /** Only what this bot has subscribed to. */
    botId?: string;
    /** The `seq` of the last trigger that was dealt with: what has fired since comes first. */
    afterSeq?: number;
    /** Ends the stream. */
    signal?: AbortSignal;
}

export class HubClient {
    readonly #url: string;
    readonly #key: string;
    readonly #patienceMs: number;

    constructor(url: string, key: string, options: HubOptions = {}) {
        this.#url = url.replace(/\/+$/, "");
        this.#key = key;
        this.#patienceMs = options.patienceMs ?? 30_000;
    }

    get<P extends PathsOf<"get">>(path: P, asked: Asked<Operation<"get", P>>): Promise<AnswerOf<Operation<"get", P>>> {
        return this.#answer("GET", path, asked) as Promise<AnswerOf<Operation<"get", P>>>;
    }

    post<P extends PathsOf<"post">>(
        path: P,
        asked: Asked<Operation<"post", P>>,
    ): Promise<AnswerOf<Operation<"post", P>>> {
        return this.#answer("POST", path, asked) as Promise<AnswerOf<Operation<"post", P>>>;
    }

    delete<P extends PathsOf<"delete">>(
        path: P,
        asked: Asked<Operation<"delete", P>>,
    ): Promise<AnswerOf<Operation<"delete", P>>> {
        return this.#answer("DELETE", path, asked) as Promise<AnswerOf<Operation<"delete", P>>>;
    }

    /**
     * The triggers of everything that the user's bots, or one of them, subscribed to. A connection that breaks is
     * resumed where it stopped; none comes twice. It ends with `signal`, and throws if the hub refuses the stream.
     */
    async *triggers(options: TriggerOptions = {}): AsyncGenerator<Trigger> {
        const parser = new EventParser(options.afterSeq === undefined ? "" : String(options.afterSeq));
        let seen = options.afterSeq ?? -1;
        let waitMs = FIRST_MS;
        while (!options.signal?.aborted) {
            const quiet = new AbortController();
            const end = () => quiet.abort();
            options.signal?.addEventListener("abort", end);
            let timer = setTimeout(end, QUIET_MS);
            try {
                const headers: Record<string, string> = { Accept: "text/event-stream" };
                if (parser.lastId) headers["Last-Event-ID"] = parser.lastId;
                const query = options.botId === undefined ? {} : { bot_id: options.botId };
                const response = await this.#send("GET", "/events", { query }, headers, quiet.signal);
                if (!response.ok && !PASSING.has(response.status)) throw await refusal(response);
                if (response.ok && response.body !== null) {
                    const decoder = new TextDecoder();
                    const reader = response.body.getReader();
                    for (;;) {
                        const { done, value } = await reader.read();
                        if (done) break;
                        clearTimeout(timer);
                        timer = setTimeout(end, QUIET_MS);
                        waitMs = FIRST_MS;
                        for (const event of parser.feed(decoder.decode(value, { stream: true }))) {
                            if (event.kind !== "trigger" && event.kind !== "message") continue;
                            const trigger = JSON.parse(event.data) as Trigger;
                            if (trigger.seq <= seen) continue;
                            seen = trigger.seq;
                            yield trigger;
                        }
                    }
                }
            } catch (error) {
                if (error instanceof HubRefused) throw error;
            } finally {
                clearTimeout(timer);
                options.signal?.removeEventListener("abort", end);
                quiet.abort();
            }
            parser.broken();
            if (options.signal?.aborted) return;
            await pause(Math.max(waitMs, parser.retryMs));
            waitMs = Math.min(2 * waitMs, LONGEST_MS);
        }
    }

    async #answer(method: string, path: string, asked: unknown): Promise<unknown> {
        const until = Date.now() + this.#patienceMs;
        for (let waitMs = FIRST_MS; ; waitMs = Math.min(2 * waitMs, LONGEST_MS)) {
            let response: Response | undefined;
            let failure: unknown;
            try {
                response = await this.#send(method, path, asked as Parts, {}, AbortSignal.timeout(this.#patienceMs));
            } catch (error) {
                failure = error;
            }
            if (response?.ok) {
                const isJson = response.headers.get("content-type")?.includes("json") ?? false;
                return isJson ? response.json() : response.text();
            }
            const askedMs = 1000 * Number(response?.headers.get("retry-after") ?? 0);
            const nextMs = Math.max(waitMs * (0.5 + Math.random() / 2), askedMs || 0);
            const isFinal = response !== undefined && !PASSING.has(response.status);
            if (isFinal || Date.now() + nextMs > until) {
                throw response === undefined ? failure : await refusal(response);
            }
            await pause(nextMs);
        }
    }

    #send(method: string, path: string, asked: Parts, headers: Record<string, string>, signal: AbortSignal): Promise<Response> {
        const filled = path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(String(asked.path?.[name])));
        const url = new URL(this.#url + filled);
        for (const [name, value] of Object.entries(asked.query ?? {})) {
            if (value !== undefined && value !== null) url.searchParams.set(name, String(value));
        }
        const all: Record<string, string> = { Authorization: `Bearer ${this.#key}`, ...headers };
        if (asked.body === undefined) return fetch(url, { method, headers: all, signal });
        all["Content-Type"] = "application/json";
        return fetch(url, { method, headers: all, signal, body: JSON.stringify(asked.body) });
    }
}

interface Parts {
    path?: Record<string, unknown>;
    query?: Record<string, unknown>;
    body?: unknown;
}

async function refusal(response: Response): Promise<HubRefused> {
    const problem = (await response.json().catch(() => ({}))) as Partial<Problem>;
    return new HubRefused(response.status, problem);
}

function pause(ms: number): Promise<void> {
    return new Promise((resolve) => setTimeout(resolve, ms));
}
