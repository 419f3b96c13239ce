// Calls of a live host through a generated client of plugins/ and tests/node/odd, made with
// --integers bigint. Runs in Node and in a browser; test_client.py compiles it beside pinion.ts and
// asks for each scenario's outcome. The address is that of a relay which can break a call: the
// header X-Break says how and how often, under a key of the scenario's own.
import { Pinion, PinionError, fromBase64, toBase64, unwrap } from "./pinion.js";
import type { CallOptions, Json, OddEchoInput, OddShape, OddTree } from "./pinion.js";

function check(holds: boolean, what: string): asserts holds {
  if (!holds) throw new Error(what);
}

/** The same for the same value: members in order of name. */
function text(value: unknown): string {
  return JSON.stringify(value, (_, one: unknown) => {
    if (typeof one === "bigint") return `${one}n`;
    if (typeof one !== "object" || one === null || Array.isArray(one)) return one;
    return Object.fromEntries(Object.entries(one).sort(([a], [b]) => (a < b ? -1 : 1)));
  });
}

function same(got: unknown, wanted: unknown): void {
  check(text(got) === text(wanted), `${text(got)} is not ${text(wanted)}`);
}

const most = 9223372036854775807n, least = -9223372036854775808n;
const odd2 = 9007199254740993n; // 2^53 + 1: no double is it

const tree: OddTree = {
  id: odd2,
  children: [{ id: most, children: [], named: { "a/b": { id: 1n, children: [] } } }],
};

function everything(shape: OddShape): OddEchoInput {
  return {
    any: [odd2, 1, 1.5, "9007199254740993", null, { deep: least }],
    blob: toBase64(new Uint8Array([0, 1, 254, 255])), big: least, choice: "c\"\n",
    date: "2026-01-31", decimal: "0.1000000000000000000001", id: most, limit: 3,
    list: [1n, null, most], map: { a: 1n, constructor: most }, maybe: null, number: 0.1,
    schema: { huge: odd2 }, shape, tree, when: "2026-01-31T09:30:00Z",
    uuid: "00000000-0000-4000-8000-000000000000", new: true, constructor: "c", class: "c",
    get: "g", end: "e", "a-b */ \"c\"": "x", "${x}`": "\u2028 é 𝄞 \u0000",
  };
}

function broken(how: string, key: string): CallOptions {
  return { headers: { "X-Break": how, "X-Key": key } };
}

export const scenarios: { [name: string]: (pinion: Pinion, baseUrl: string) => Promise<void> } = {
  async "a success has the value and says who answered"(pinion) {
    const r = await pinion.greeter.greet({ name: "Ada" });
    check(r.ok, text(r));
    const greeting: string = r.value.greeting;
    same(greeting, "Hello, Ada!");
    same(r.meta.generation, "greeter@1.0.0#1");
    check(/^[0-9a-f]{32}$/.test(r.meta.traceId ?? ""), text(r.meta));
    same([r.meta.status, r.meta.attempts], [200, 1]);
  },

  async "a declared error is told by its code"(pinion) {
    const details: Json = { id: most, list: [1, null] };
    const r = await pinion.odd.refuse({ code: "gone", details });
    check(!r.ok && r.error.kind === "declared", text(r));
    switch (r.error.code) {
      case "gone": {
        const status: 410 = r.error.status;
        same([status, r.error.details, r.meta.status], [410, details, 410]);
        break;
      }
      case "not_found":
      case "constructor":
        throw new Error(text(r));
      default: {
        const never: never = r.error;
        throw never;
      }
    }
    const named = await pinion.odd.refuse({ code: "constructor", details: null });
    check(!named.ok && named.error.kind === "declared" && named.error.status === 409, text(named));
  },

  async "the codes of all kinds can be told in one switch"(pinion) {
    const r = await pinion.users.get({ id: 999999999n });
    check(!r.ok, text(r));
    switch (r.error.code) {
      case "not_found":
        same([r.error.kind, r.error.details], ["declared", { id: 999999999 }]);
        break;
      case "contract_input":
      case "network":
        throw new Error(r.error.message);
      default:
        throw new Error(r.error.code);
    }
  },

  async "a contract error says what is wrong and where"(pinion) {
    const r = await pinion.greeter.greet({ name: "" });
    check(!r.ok && r.error.kind === "contract" && r.error.code === "contract_input", text(r));
    same(r.error.errors,
      [{ pointer: "/name", expected: "at least 1 character", got: "0 characters" }]);
    // @ts-expect-error: there is no such member
    await pinion.greeter.greet({ name: "Ada", colour: "red" });
    // @ts-expect-error: it must be there
    await pinion.greeter.greet({});
    // @ts-expect-error: there is no such language
    await pinion.greeter.greet({ name: "Ada", language: "fr" });
  },

  async "integers of 64 bits are exact both ways"(pinion) {
    const r = await pinion.odd.add_v1_({ a: odd2, b: 1n });
    check(r.ok && r.value === odd2 + 1n, text(r));
    const sum = await pinion.odd.add({ list: [most, -1n] });
    check(sum.ok && sum.value.sum === most - 1n, text(sum));
  },

  async "every type comes back as it went"(pinion) {
    const shapes: OddShape[] = [
      { kind: "circle", radius: 1.5, id: odd2 }, { kind: "none" },
      { kind: "odd \"kind\"", sides: [9007199254740991, -1] },
    ];
    for (const shape of shapes) {
      const input = everything(shape);
      Object.defineProperty(input, "__proto__", { value: odd2, enumerable: true });
      const value = unwrap(await pinion.odd.echo(input));
      same(value, input);
      same([...fromBase64(value.blob)], [0, 1, 254, 255]);
      const round: bigint | undefined = value.tree.children[0]?.named?.["a/b"]?.id;
      same(round, 1n);
      if (value.shape.kind === "circle") same(value.shape.radius, 1.5);
      else if (value.shape.kind === "none") same(Object.keys(value.shape), ["kind"]);
      else same(value.shape.sides.length, 2);
    }
  },

  async "an omitted member takes its default"(pinion) {
    const { limit, ...rest } = everything({ kind: "none" });
    same([limit, unwrap(await pinion.odd.echo(rest)).limit], [3, 5]);
  },

  async "versions and odd names are methods"(pinion) {
    same(unwrap(await pinion.odd.new()), "new");
    same(unwrap(await pinion.odd.constructor()), "constructor");
    check(pinion.odd.add === pinion.odd.add_v2, "the newest has two names");
    const none: undefined = unwrap(await pinion.odd.add_v1());
    same(none, undefined);
    same((await pinion.odd.empty()).meta.status, 204);
  },

  async "what cannot be written rejects before anything is sent"(pinion) {
    for (const n of [NaN, 1.5, 2 ** 53]) {
      const reason: unknown = await pinion.odd.add({ list: [n as unknown as bigint] })
        .catch((error: unknown) => error);
      check(reason instanceof TypeError && reason.message.startsWith("/list/0 "), text(n));
    }
  },

  async "unwrap throws what went wrong"(pinion) {
    try {
      unwrap(await pinion.users.get({ id: 999999999n }));
    } catch (error) {
      check(error instanceof PinionError && error.failure.code === "not_found", text(error));
      check(error.meta.traceId !== undefined && error instanceof Error, "no trace");
      return;
    }
    throw new Error("it did not throw");
  },

  async "a time-out ends the call"(pinion) {
    const begun = Date.now();
    const r = await pinion.odd.slow({ ms: 3000 }, { timeoutMs: 150 });
    check(!r.ok && r.error.kind === "transport" && r.error.code === "timeout", text(r));
    check(Date.now() - begun < 2000, "it took long");
  },

  async "a signal ends the call, before and while it runs"(pinion) {
    const early = await pinion.greeter.greet({ name: "A" }, { signal: AbortSignal.abort() });
    check(!early.ok && early.error.code === "aborted", text(early));
    const controller = new AbortController();
    setTimeout(() => controller.abort(), 100);
    const r = await pinion.odd.slow({ ms: 3000 }, { signal: controller.signal });
    check(!r.ok && r.error.code === "aborted" && r.error.kind === "transport", text(r));
    const retrying = new AbortController();
    setTimeout(() => retrying.abort(), 200);
    const waiting = await pinion.greeter.greet({ name: "A" },
      { ...broken("503 retry 9", "signal"), signal: retrying.signal });
    check(!waiting.ok && waiting.error.code === "aborted", text(waiting));
  },

  async "a query is retried over 503 and lost connections"(pinion) {
    const r = await pinion.greeter.greet({ name: "Ada" }, broken("503 retry 1", "query"));
    check(r.ok && r.meta.attempts === 2, text(r));
    const lost = await pinion.greeter.greet({ name: "Ada" }, broken("close - 2", "lost"));
    check(lost.ok && lost.meta.attempts === 3, text(lost));
    const cut = await pinion.greeter.greet({ name: "Ada" }, broken("cut - 1", "cut"));
    check(cut.ok && cut.meta.attempts === 2, text(cut));
  },

  async "retries end, and the last failure is told"(pinion) {
    const r = await pinion.greeter.greet({ name: "Ada" },
      { ...broken("503 overloaded 9", "end"), retries: 1 });
    check(!r.ok && r.error.kind === "host" && r.error.code === "overloaded", text(r));
    same([r.meta.attempts, r.error.status], [2, 503]);
    const short = await pinion.greeter.greet({ name: "Ada" },
      { ...broken("503 starting 9", "short"), timeoutMs: 500 });
    check(!short.ok && short.error.code === "starting" && short.meta.attempts === 1, text(short));
  },

  async "a command is retried only where nothing can have happened"(pinion) {
    const input = { code: "gone", details: null } as const;
    const lost = await pinion.odd.refuse(input, broken("close - 1", "command"));
    check(!lost.ok && lost.error.code === "network" && lost.meta.attempts === 1, text(lost));
    const unsure = await pinion.odd.refuse(input, broken("503 retry 1", "unsure"));
    check(!unsure.ok && unsure.error.code === "retry" && unsure.meta.attempts === 1, text(unsure));
    const refused = await pinion.odd.refuse(input, broken("503 overloaded 1", "refused"));
    check(!refused.ok && refused.error.code === "gone" && refused.meta.attempts === 2,
      text(refused));
  },

  async "a command with a key is retried, and the key is sent"(pinion) {
    const input = { code: "gone", details: null } as const;
    const r = await pinion.odd.refuse(input,
      { ...broken("close - 1", "key"), idempotencyKey: "order-7" });
    check(!r.ok && r.error.code === "gone" && r.meta.attempts === 2, text(r));
    const seen = unwrap(await pinion.odd.headers({}, { idempotencyKey: "order-7" }));
    same(seen["idempotency-key"], "order-7");
  },

  async "headers of the client and of the call are sent, and a trace is kept"(_, baseUrl) {
    const pinion = new Pinion(
      { baseUrl: `${baseUrl}//`, caller: "web-shop", headers: { "X-One": "1", "X-Two": "1" } });
    const trace = "0af7651916cd43dd8448eb211c80319c";
    const r = await pinion.odd.headers(undefined,
      { headers: { "X-Two": "2", traceparent: `00-${trace}-b7ad6b7169203331-01` } });
    check(r.ok, text(r));
    same([r.value["x-one"], r.value["x-two"], r.meta.traceId], ["1", "2", trace]);
    same(r.value["pinion-caller"], "web-shop");
  },

  async "what is no answer of a host is told as such"(pinion) {
    const page = await pinion.greeter.greet({ name: "A" }, broken("502 page 9", "page"));
    check(!page.ok && page.error.kind === "host" && page.error.code === "http_502", text(page));
    const odd = await pinion.greeter.greet({ name: "A" }, broken("200 page 9", "odd"));
    check(!odd.ok && odd.error.kind === "transport" && odd.error.code === "unreadable", text(odd));
  },

  async "a host that is not there is a network failure"() {
    const r = await new Pinion({ baseUrl: "http://127.0.0.1:9", retries: 0 }).odd.new();
    check(!r.ok && r.error.kind === "transport" && r.error.code === "network", text(r));
    same([r.error.status, r.meta.traceId], [0, undefined]);
  },
};

/** From each scenario's name to "ok" or what went wrong. */
export async function run(baseUrl: string): Promise<{ [name: string]: string }> {
  const outcome: { [name: string]: string } = {};
  const pinion = new Pinion({ baseUrl });
  await Promise.all(Object.entries(scenarios).map(async ([name, scenario]) => {
    try {
      await scenario(pinion, baseUrl);
      outcome[name] = "ok";
    } catch (error) {
      outcome[name] = error instanceof Error ? `${error.message} ${error.stack ?? ""}` : text(error);
    }
  }));
  return outcome;
}
