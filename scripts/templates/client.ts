// ---- what every client has: results, options, exact integers, retries

/** Text of a decimal number, such as "12.50": no digit is lost. */
export type Decimal = string;
/** RFC 3339 date-time, such as "2026-01-31T09:30:00Z". */
export type Timestamp = string;
/** RFC 3339 date, such as "2026-01-31". */
export type DateText = string;
export type Uuid = string;
/** Bytes as base64 with padding; see toBase64 and fromBase64. */
export type Base64 = string;
/** Anything JSON. Integers beyond 2^53 are of type Integer. */
export type Json = null | boolean | number | Integer | string | Json[] | { [name: string]: Json };

export interface PinionOptions {
  /** The host's address, such as "http://127.0.0.1:8080". Not given: the page's own. */
  baseUrl?: string;
  /** In the place of the global fetch. */
  fetch?: typeof fetch;
  /** For a whole call, its retries included; 30000 when not given, 0: no limit. */
  timeoutMs?: number;
  /** How often a call may be tried again, where that is safe; 2 when not given. */
  retries?: number;
  /**
   * Who calls, such as "web-shop": before a change that would break callers, the plugin's team is told
   * how much each of them uses what would change.
   */
  caller?: string;
  /** Sent with every call. */
  headers?: { readonly [name: string]: string };
  /** What else is given to fetch, such as { credentials: "include" }. */
  init?: Omit<RequestInit, "body" | "headers" | "method" | "signal">;
}

export interface CallOptions {
  /** Ends the call; its result then is the failure "aborted". */
  signal?: AbortSignal;
  timeoutMs?: number;
  retries?: number;
  /**
   * Says that calls with this key are one: sent as Idempotency-Key, and lets a command be retried
   * like a query, as it is done once. An action is not: give it one only if doing it twice is
   * harmless.
   */
  idempotencyKey?: string;
  headers?: { readonly [name: string]: string };
}

export interface Meta {
  status: number;
  /** Which code answered, such as "orders@1.4.0#7". */
  generation: string | undefined;
  /** Finds the call in the host's log. */
  traceId: string | undefined;
  /** 1, and one more for each retry. */
  attempts: number;
}

/** One thing that does not fit a contract. */
export interface Offence {
  pointer: string;
  expected: string;
  got: string;
}

/** What all failures have; kind and code tell which it is. */
export interface FailureOf<Kind extends string, Code extends string, Status extends number> {
  kind: Kind;
  code: Code;
  /** 0 when there was no answer. */
  status: Status;
  message: string;
  /** What ctx:fail was given; only of a declared error. */
  details: Json | undefined;
  /** What does not fit; only of "contract_input" and, in development, "contract_output". */
  errors: Offence[];
}

/** Codes that the host answers itself. `http_…`: refused before a capability was known. */
export type HostCode =
  | "invalid_json" | "invalid_query" | "not_found" | "method_not_allowed" | "not_json" | "internal"
  | "memory_limit" | "cpu_limit" | "overloaded" | "plugin_quarantined" | "retry" | "starting"
  | "deadline" | "storage_full" | `http_${number}`;

export type ContractError = FailureOf<"contract", "contract_input" | "contract_output", number>;
export type HostError = FailureOf<"host", HostCode, number>;
/**
 * No answer that can be used. network: not reached or cut off, so a command may or may not have been
 * done; unreadable: it was done, but the answer is not what the contract says.
 */
export type TransportError =
  FailureOf<"transport", "network" | "timeout" | "aborted" | "unreadable", number>;
/** From { not_found: 404 } to the failures that a capability declares. */
export type DeclaredError<Errors> = {
  [Code in keyof Errors & string]:
    FailureOf<"declared", Code, Errors[Code] extends number ? Errors[Code] : number>;
}[keyof Errors & string];
export type Failure<Errors> =
  DeclaredError<Errors> | ContractError | HostError | TransportError;

export type Result<Value, Errors> =
  | { ok: true; value: Value; meta: Meta }
  | { ok: false; error: Failure<Errors>; meta: Meta };

/** What unwrap throws. */
export class PinionError extends Error {
  readonly failure: Failure<{ readonly [code: string]: number }>;
  readonly meta: Meta;
  constructor(failure: Failure<{ readonly [code: string]: number }>, meta: Meta) {
    super(`${failure.code}: ${failure.message}`);
    this.name = "PinionError";
    this.failure = failure;
    this.meta = meta;
  }
}

/** The value, or throws a PinionError. */
export function unwrap<Value, Errors>(result: Result<Value, Errors>): Value {
  if (result.ok) return result.value;
  throw new PinionError(
    result.error as Failure<{ readonly [code: string]: number }>, result.meta);
}

export function toBase64(bytes: Uint8Array): Base64 {
  let binary = "";
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary);
}

export function fromBase64(text: Base64): Uint8Array {
  return Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
}

// ---- JSON whose integers are exact

/*
 * Where integers of 64 bits are in a value: 0 nowhere below, 1 here, 2 anywhere (any JSON);
 * otherwise what is inside. Members without such integers are left out.
 */
type Shape =
  | 0 | 1 | 2
  | { readonly each: Shape }
  | { readonly members: readonly (readonly [string, Shape])[] }
  | { readonly tag: string; readonly variants: readonly (readonly [string, Shape])[] }
  | { readonly type: string };

const tooLarge = "is not an integer of at most 2^53 - 1; a client that is generated with "
  + "--integers bigint or --integers string keeps every digit";

class Unfit extends TypeError {
  constructor(at: string, reason: string) {
    super(`${at === "" ? "the value" : at} ${reason}`);
  }
}

/** An integer that may be more than a number holds, as it stood in the text. */
class Digits {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

type Parsed = null | boolean | number | string | Digits | Parsed[] | { [name: string]: Parsed };

function put<Value>(object: { [name: string]: Value }, name: string, value: Value): void {
  if (name !== "__proto__") object[name] = value;
  else Object.defineProperty(object, name, {
    value, configurable: true, enumerable: true, writable: true });
}

class Parser {
  private readonly text: string;
  private at = 0;
  constructor(text: string) {
    this.text = text;
  }

  whole(): Parsed {
    const value = this.value();
    if (this.peek() !== "") this.fail();
    return value;
  }

  private fail(): never {
    throw new SyntaxError(`the answer is not JSON at character ${this.at}`);
  }

  /** The next character that is not white space; "" at the end. */
  private peek(): string {
    for (; ; this.at++) {
      const char = this.text.charAt(this.at);
      if (char !== " " && char !== "\n" && char !== "\r" && char !== "\t") return char;
    }
  }

  private take(char: string): boolean {
    if (this.peek() !== char) return false;
    this.at++;
    return true;
  }

  private value(): Parsed {
    switch (this.peek()) {
      case "{": return this.object();
      case "[": return this.array();
      case '"': return this.string();
      case "t": return this.word("true", true);
      case "f": return this.word("false", false);
      case "n": return this.word("null", null);
      default: return this.number();
    }
  }

  private word<Value>(word: string, value: Value): Value {
    if (!this.text.startsWith(word, this.at)) this.fail();
    this.at += word.length;
    return value;
  }

  private number(): number | Digits {
    const pattern = /-?(?:0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?/y;
    pattern.lastIndex = this.at;
    const match = pattern.exec(this.text);
    if (!match) return this.fail();
    this.at = pattern.lastIndex;
    const exact = match[1] !== undefined || match[2] !== undefined || match[0].length < 16;
    return exact ? Number(match[0]) : new Digits(match[0]);
  }

  private string(): string {
    let end = this.at + 1;
    for (let char = this.text.charAt(end); char !== '"'; char = this.text.charAt(end)) {
      if (char === "") this.fail();
      end += char === "\\" ? 2 : 1;
    }
    const literal = this.text.slice(this.at, end + 1);
    this.at = end + 1;
    return JSON.parse(literal) as string;
  }

  private array(): Parsed[] {
    const list: Parsed[] = [];
    this.at++;
    if (this.take("]")) return list;
    do list.push(this.value()); while (this.take(","));
    if (!this.take("]")) this.fail();
    return list;
  }

  private object(): { [name: string]: Parsed } {
    const object: { [name: string]: Parsed } = {};
    this.at++;
    if (this.take("}")) return object;
    do {
      if (this.peek() !== '"') this.fail();
      const name = this.string();
      if (!this.take(":")) this.fail();
      put(object, name, this.value());
    } while (this.take(","));
    if (!this.take("}")) this.fail();
    return object;
  }
}

/** "/lines/0": the JSON Pointer (RFC 6901) of a member. */
function below(at: string, name: string | number): string {
  return `${at}/${String(name).replaceAll("~", "~0").replaceAll("/", "~1")}`;
}

/** The shape of one member of an object with this shape. */
function inner(shape: Shape, object: object, name: string): Shape {
  if (typeof shape === "number") return shape === 2 ? 2 : 0;
  if ("type" in shape) return inner(shapes[shape.type] ?? 0, object, name);
  if ("each" in shape) return shape.each;
  if ("members" in shape) return shape.members.find((member) => member[0] === name)?.[1] ?? 0;
  const tag = (object as { readonly [name: string]: unknown })[shape.tag];
  const variant = shape.variants.find((one) => one[0] === tag);
  return variant ? inner(variant[1], object, name) : 0;
}

function innerOfArray(shape: Shape): Shape {
  if (typeof shape === "number") return shape === 2 ? 2 : 0;
  if ("type" in shape) return innerOfArray(shapes[shape.type] ?? 0);
  return "each" in shape ? shape.each : 0;
}

function isInteger(shape: Shape): boolean {
  if (typeof shape === "number") return shape === 1;
  return "type" in shape && isInteger(shapes[shape.type] ?? 0);
}

function isAny(shape: Shape): boolean {
  if (typeof shape === "number") return shape === 2;
  return "type" in shape && isAny(shapes[shape.type] ?? 0);
}

function readInteger(value: number | Digits, at: string): number | bigint | string {
  const text = value instanceof Digits ? value.text : String(value);
  if (value instanceof Digits ? false : !Number.isInteger(value))
    throw new Unfit(at, "is not an integer");
  if (integers === "bigint") return BigInt(text);
  if (integers === "string") return text;
  if (!Number.isSafeInteger(Number(text))) throw new Unfit(at, tooLarge);
  return Number(text);
}

function readNumber(value: number | Digits, shape: Shape, at: string): number | bigint | string {
  if (isInteger(shape)) return readInteger(value, at);
  if (!(value instanceof Digits)) return value;
  const number = Number(value.text);
  if (!isAny(shape) || integers === "number" || Number.isSafeInteger(number)) return number;
  return readInteger(value, at);
}

/** What was parsed, with its integers as the client's types say. */
function read(value: Parsed, shape: Shape, at: string): unknown {
  if (typeof value === "number" || value instanceof Digits) return readNumber(value, shape, at);
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) {
    const each = innerOfArray(shape);
    return value.map((item, i) => read(item, each, below(at, i)));
  }
  const object: { [name: string]: unknown } = {};
  for (const name of Object.keys(value))
    put(object, name, read(value[name] ?? null, inner(shape, value, name), below(at, name)));
  return object;
}

function readText(text: string, shape: Shape): unknown {
  return read(new Parser(text).whole(), shape, "");
}

function writeNumber(value: number, shape: Shape, at: string): string {
  if (!Number.isFinite(value)) throw new Unfit(at, "is not a finite number");
  if (isInteger(shape) && !Number.isSafeInteger(value)) throw new Unfit(at, tooLarge);
  return Object.is(value, -0) ? "0" : String(value);
}

function writeString(value: string, shape: Shape, at: string): string {
  if (!isInteger(shape)) return JSON.stringify(value);
  if (integers !== "string" || !/^-?(0|[1-9]\d*)$/.test(value))
    throw new Unfit(at, "is not an integer");
  return value;
}

function write(value: unknown, shape: Shape, at: string): string {
  switch (typeof value) {
    case "bigint": return value.toString();
    case "boolean": return String(value);
    case "number": return writeNumber(value, shape, at);
    case "string": return writeString(value, shape, at);
    case "object": return value === null ? "null" : writeInside(value, shape, at);
    default: throw new Unfit(at, `cannot be written as JSON: it is of type ${typeof value}`);
  }
}

function writeInside(value: object, shape: Shape, at: string): string {
  if (Array.isArray(value)) {
    const each = innerOfArray(shape);
    return `[${value.map((item: unknown, i) => write(item, each, below(at, i))).join(",")}]`;
  }
  const parts: string[] = [];
  for (const [name, member] of Object.entries(value) as [string, unknown][])
    if (member !== undefined)
      parts.push(`${JSON.stringify(name)}:${
        write(member, inner(shape, value, name), below(at, name))}`);
  return `{${parts.join(",")}}`;
}

// ---- calls

/** What the client knows of one capability. */
interface Operation {
  readonly plugin: string;
  /** Names of the method: "place", "place_v1". */
  readonly names: readonly string[];
  /** "orders.place@1" */
  readonly address: string;
  /** A second call with the same input changes nothing more: a query, or declared so. */
  readonly idempotent: boolean;
  readonly errors: { readonly [code: string]: number };
  readonly input: Shape;
  readonly output: Shape;
  /** Gives bytes as they come: the result's value is the Response itself. */
  readonly stream?: boolean;
}

const hostCodes: readonly string[] = [
  "invalid_json", "invalid_query", "not_found", "method_not_allowed", "not_json", "internal",
  "memory_limit", "cpu_limit", "overloaded", "plugin_quarantined", "retry", "starting",
  "deadline", "storage_full",
];
/** A 503 with one of these codes: the handler did not begin, so nothing can have happened. */
const refusals: readonly string[] = ["overloaded", "starting", "plugin_quarantined"];
const backOffMs = 100, backOffMaxMs = 5000;

type AnyFailure = FailureOf<string, string, number>;
type AnyResult =
  | { ok: true; value: unknown; meta: Meta }
  | { ok: false; error: AnyFailure; meta: Meta };

/** One call with its time and its signal, over all its attempts. */
class Call {
  readonly controller = new AbortController();
  readonly endsAt: number;
  /** Why it was ended before there was an answer. */
  ended: "timeout" | "aborted" | undefined;
  private readonly caller: AbortSignal | undefined;
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(timeoutMs: number, signal: AbortSignal | undefined) {
    this.caller = signal;
    this.endsAt = timeoutMs > 0 ? Date.now() + timeoutMs : Infinity;
    if (timeoutMs > 0) this.timer = setTimeout(() => this.end("timeout"), timeoutMs);
    signal?.addEventListener("abort", this.onAbort);
    if (signal?.aborted) this.end("aborted");
  }

  private readonly onAbort = (): void => this.end("aborted");

  private end(why: "timeout" | "aborted"): void {
    this.ended ??= why;
    this.controller.abort();
  }

  /** Of a body that still streams, the caller's signal goes on to end it. */
  release(streams: boolean): void {
    if (this.timer !== undefined) clearTimeout(this.timer);
    if (!streams) this.caller?.removeEventListener("abort", this.onAbort);
  }

  /** False: the call's time is too short for it, or it was ended meanwhile. */
  async wait(ms: number): Promise<boolean> {
    if (this.ended !== undefined || Date.now() + ms >= this.endsAt) return false;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(done, ms);
      const signal = this.controller.signal;
      function done(): void {
        clearTimeout(timer);
        signal.removeEventListener("abort", done);
        resolve();
      }
      signal.addEventListener("abort", done);
    });
    return this.ended === undefined;
  }
}

function failure(
  kind: string, code: string, status: number, message: string, more?: Partial<AnyFailure>,
): AnyFailure {
  return { kind, code, status, message, details: undefined, errors: [], ...more };
}

function messageOf(reason: unknown): string {
  return reason instanceof Error ? reason.message : String(reason);
}

function members(text: string): { readonly [name: string]: unknown } {
  try {
    const value = readText(text, { members: [["details", 2]] });
    if (typeof value === "object" && value !== null && !Array.isArray(value))
      return value as { readonly [name: string]: unknown };
  } catch {
    // What stands in front of a host may answer with anything.
  }
  return {};
}

/** From an answer that is no success. A declared error comes from a capability, with its status. */
function failureOf(operation: Operation, status: number, text: string): AnyFailure {
  const problem = members(text);
  const code = typeof problem["code"] === "string" ? problem["code"] : "";
  const said = problem["detail"] ?? problem["title"];
  const message = typeof said === "string" ? said : `the answer has status ${status}`;
  const errors = Array.isArray(problem["errors"]) ? (problem["errors"] as Offence[]) : [];
  if (Object.hasOwn(operation.errors, code) && operation.errors[code] === status
    && problem["capability"] !== undefined && errors.length === 0)
    return failure("declared", code, status, message, { details: problem["details"] as Json });
  if (code === "contract_input" || code === "contract_output")
    return failure("contract", code, status, message, { errors });
  return failure("host", hostCodes.includes(code) ? code : `http_${status}`, status, message);
}

/** Milliseconds of a Retry-After in seconds or as a date; 0 when there is none. */
function retryAfter(headers: Headers): number {
  const text = headers.get("retry-after");
  if (text === null) return 0;
  const ms = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - Date.now();
  return ms > 0 ? ms : 0;
}

class Caller {
  private readonly options: PinionOptions;
  private readonly base: string;
  private readonly fetch: typeof fetch;

  constructor(options: PinionOptions) {
    this.options = options;
    this.base = (options.baseUrl ?? "").replace(/\/+$/, "");
    this.fetch = options.fetch ?? ((input, init) => globalThis.fetch(input, init));
  }

  async run(operation: Operation, input: unknown, options: CallOptions): Promise<AnyResult> {
    const body = write(input, operation.input, "");
    const retries = options.retries ?? this.options.retries ?? 2;
    const call = new Call(options.timeoutMs ?? this.options.timeoutMs ?? 30000, options.signal);
    try {
      for (let attempt = 1; ; attempt++) {
        const [result, after] = await this.attempt(operation, body, options, call, attempt);
        if (result.ok || attempt > retries || !mayRetry(operation, options, result.error))
          return result;
        if (!await call.wait(pause(attempt, after)))
          return call.ended === "aborted" ? ended(call, attempt) : result;
      }
    } finally {
      call.release(operation.stream === true);
    }
  }

  private request(body: string, options: CallOptions, call: Call): RequestInit {
    const headers: { [name: string]: string } = {
      ...this.options.headers, ...options.headers, "Content-Type": "application/json" };
    if (this.options.caller !== undefined) headers["Pinion-Caller"] = this.options.caller;
    if (options.idempotencyKey !== undefined) headers["Idempotency-Key"] = options.idempotencyKey;
    return { ...this.options.init, method: "POST", body, headers, signal: call.controller.signal };
  }

  private async attempt(
    operation: Operation, body: string, options: CallOptions, call: Call, attempts: number,
  ): Promise<[AnyResult, number]> {
    const fetch = this.fetch;
    let response: Response, text: string;
    if (call.ended !== undefined) return [ended(call, attempts), 0];
    const request = this.request(body, options, call);
    try {
      response = await fetch(`${this.base}/call/${operation.address}`, request);
      text = isStream(operation, response) ? "" : await response.text();
    } catch (reason) {
      if (call.ended !== undefined) return [ended(call, attempts), 0];
      return [nothing(failure("transport", "network", 0, messageOf(reason)), attempts), 0];
    }
    return [answer(operation, response, text, attempts), retryAfter(response.headers)];
  }
}

/** Its body is for whoever called; of a failure it is a problem document, as everywhere. */
function isStream(operation: Operation, response: Response): boolean {
  return operation.stream === true && response.status === 200;
}

function nothing(error: AnyFailure, attempts: number): AnyResult {
  const meta = { status: 0, generation: undefined, traceId: undefined, attempts };
  return { ok: false, error, meta };
}

function ended(call: Call, attempts: number): AnyResult {
  const code = call.ended ?? "aborted";
  const message = code === "timeout" ? "the call took longer than it may" : "the call was aborted";
  return nothing(failure("transport", code, 0, message), attempts);
}

function answer(
  operation: Operation, response: Response, text: string, attempts: number,
): AnyResult {
  const status = response.status;
  const meta = {
    status, attempts,
    generation: response.headers.get("pinion-generation") ?? undefined,
    traceId: response.headers.get("pinion-trace-id") ?? undefined,
  };
  if (status !== 200 && status !== 204)
    return { ok: false, error: failureOf(operation, status, text), meta };
  if (isStream(operation, response)) return { ok: true, value: response, meta };
  if (status === 204) return { ok: true, value: undefined, meta };
  try {
    return { ok: true, value: readText(text, operation.output), meta };
  } catch (reason) {
    return {
      ok: false, error: failure("transport", "unreadable", status, messageOf(reason)), meta };
  }
}

function mayRetry(operation: Operation, options: CallOptions, error: AnyFailure): boolean {
  if (error.kind === "transport" ? error.code !== "network" : error.status !== 503) return false;
  if (operation.idempotent || options.idempotencyKey !== undefined) return true;
  return error.kind === "host" && refusals.includes(error.code);
}

/** Doubles with each attempt, with jitter, so that clients that failed together part. */
function pause(attempt: number, after: number): number {
  const ms = Math.min(backOffMs * 2 ** (attempt - 1), backOffMaxMs);
  return Math.max(ms * (0.5 + Math.random() / 2), after * (1 + Math.random() / 4));
}

type Method = (input?: unknown, options?: CallOptions) => Promise<AnyResult>;

class Client {
  constructor(options: PinionOptions = {}) {
    const caller = new Caller(options);
    const plugins = this as unknown as { [plugin: string]: { [name: string]: Method } };
    for (const operation of operations) {
      const method: Method = (input, more) => caller.run(operation, input ?? {}, more ?? {});
      if (!Object.hasOwn(plugins, operation.plugin)) plugins[operation.plugin] = {};
      for (const name of operation.names) plugins[operation.plugin]![name] = method;
    }
  }
}
