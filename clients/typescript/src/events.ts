/** Server-sent events, as the HTML standard defines them, from the text of an answer. */
export interface ServerEvent {
    kind: string;
    data: string;
}

/** Takes a stream as it arrives. `lastId` outlives a connection; an incomplete event does not change it. */
export class EventParser {
    retryMs = 0;
    #rest = "";
    #kind = "";
    #data: string[] = [];
    #id: string;

    constructor(public lastId: string) {
        this.#id = lastId;
    }

    /** The events that `received` completes. */
    *feed(received: string): Generator<ServerEvent> {
        const lines = (this.#rest + received).split("\n");
        this.#rest = lines.pop() ?? "";
        for (const line of lines) {
            const event = this.#take(line.replace(/\r$/, ""));
            if (event !== undefined) yield event;
        }
    }

    /** The connection ended: an incomplete event is dropped. */
    broken(): void {
        [this.#rest, this.#kind, this.#data, this.#id] = ["", "", [], this.lastId];
    }

    #take(line: string): ServerEvent | undefined {
        if (line === "") {
            this.lastId = this.#id;
            const [kind, data] = [this.#kind || "message", this.#data];
            [this.#kind, this.#data] = ["", []];
            return data.length ? { kind, data: data.join("\n") } : undefined;
        }
        const colon = line.indexOf(":");
        const name = colon < 0 ? line : line.slice(0, colon);
        const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
        if (name === "event") this.#kind = value;
        else if (name === "data") this.#data.push(value);
        else if (name === "id" && !value.includes("\0")) this.#id = value;
        else if (name === "retry" && /^\d+$/.test(value)) this.retryMs = Number(value);
        return undefined;
    }
}
