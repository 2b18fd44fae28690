/** Sends requests: time-outs, retries, user tokens and fallbacks. Needs `fetch` only: a browser, or Node 18 or later. */
import { buildFallback } from "./fallbacks.js";
/** A call that has no answer. */
export class PerennialError extends Error {
    constructor(message) {
        super(message);
        this.name = new.target.name;
    }
}
/** A parameter that cannot be part of a URL, or a missing body. */
export class InvalidParameterError extends PerennialError {
}
/** The server cannot be reached, or did not answer in time. */
export class ConnectionFailedError extends PerennialError {
}
/** The answer is not what the document describes; usually a proxy answered instead of the server. */
export class UnexpectedAnswerError extends PerennialError {
}
/** The server refused the request; `problem` has the details of RFC 9457, with every invalid field in `errors`. */
export class ApiError extends PerennialError {
    status;
    problem;
    retryAfter;
    constructor(status, problem, retryAfter) {
        super(`${status}: ${String(problem["detail"] ?? problem["title"] ?? "no details")}`);
        this.status = status;
        this.problem = problem;
        this.retryAfter = retryAfter;
    }
}
// not now: the server or a proxy asks for patience
const RETRIED_STATUSES = [429, 502, 503, 504];
const FIRST_PAUSE = 100;
const LONGEST_PAUSE = 5_000;
export class Transport {
    settings;
    constructor(options) {
        this.settings = { ...options, url: options.url.replace(/\/+$/, "") };
    }
    async call(call) {
        if (call.needsBody && call.body === undefined) {
            throw new InvalidParameterError(`${call.operation} has no body; give it as { body: { … } }.`);
        }
        let fallback = call.options.fallback;
        if (fallback === undefined && this.settings.neverThrow && call.empty) {
            fallback = buildFallback(call.operation, call.empty, call.body, call.path ?? []);
        }
        if (fallback === undefined) {
            return (await this.send(call, call.options.timeout ?? this.settings.timeout ?? 10_000));
        }
        try {
            return (await this.send(call, call.options.timeout ?? this.settings.pageTimeout ?? 1_000));
        }
        catch (error) {
            const failure = error instanceof PerennialError ? error : new PerennialError(String(error));
            if (this.settings.onError)
                this.settings.onError(failure, call.operation);
            else
                console.warn(`Perennial did not answer ${call.operation}, its fallback is shown: ${failure.message}`);
            return fallback;
        }
    }
    /** Sends a request until there is an answer, the attempts are used up, or the time is. */
    async send(call, timeout) {
        const deadline = Date.now() + timeout;
        const url = this.settings.url + buildPath(call) + buildQuery({ ...call.query, ...call.options.query });
        const headers = await this.buildHeaders(call);
        const mayRetry = call.mayRetry || call.takesIdempotencyKey === true;
        for (let attempt = 0;; attempt++) {
            try {
                return await this.attempt(call, url, headers, deadline);
            }
            catch (error) {
                const isTemporary = error instanceof ConnectionFailedError || (error instanceof ApiError && RETRIED_STATUSES.includes(error.status));
                const pause = choosePause(attempt, error instanceof ApiError ? error.retryAfter : null);
                const isLast = attempt >= (this.settings.retries ?? 2) || Date.now() + pause >= deadline;
                if (!isTemporary || !mayRetry || isLast || call.options.signal?.aborted)
                    throw error;
                await new Promise((resolve) => setTimeout(resolve, pause));
            }
        }
    }
    async attempt(call, url, headers, deadline) {
        const controller = new AbortController();
        const stop = () => controller.abort();
        const timer = setTimeout(stop, Math.max(deadline - Date.now(), 1));
        if (call.options.signal?.aborted)
            stop();
        call.options.signal?.addEventListener("abort", stop);
        try {
            const send = this.settings.fetch ?? fetch;
            const request = { method: call.method, headers, signal: controller.signal };
            if (call.body !== undefined)
                request.body = JSON.stringify(call.body);
            const response = await send(url, request);
            return await readAnswer(call, response);
        }
        catch (error) {
            if (error instanceof PerennialError)
                throw error;
            const reason = controller.signal.aborted ? "it took longer than its time-out, or was ended" : String(error);
            throw new ConnectionFailedError(`${call.operation}: ${reason}`);
        }
        finally {
            clearTimeout(timer);
            call.options.signal?.removeEventListener("abort", stop);
        }
    }
    async buildHeaders(call) {
        const headers = { Authorization: `Bearer ${this.settings.key}` };
        const { userToken, language } = this.settings;
        const token = call.options.userToken ?? (typeof userToken === "function" ? await userToken() : userToken);
        if (token)
            headers["X-User-Token"] = token;
        if (language)
            headers["Accept-Language"] = language;
        if (call.body !== undefined)
            headers["Content-Type"] = "application/json";
        if (call.takesIdempotencyKey)
            headers["Idempotency-Key"] = call.options.idempotencyKey ?? makeKey();
        return headers;
    }
}
/** Returns the path with its parameters; one that would name another path is refused. */
function buildPath(call) {
    const values = [...(call.path ?? [])];
    return call.url.replace(/\{\}/g, () => {
        const value = values.shift() ?? "";
        if (["", ".", ".."].includes(value)) {
            throw new InvalidParameterError(`"${value}" cannot be part of the URL of ${call.operation}.`);
        }
        return encodeURIComponent(value);
    });
}
function buildQuery(query) {
    const parts = new URLSearchParams();
    for (const [name, value] of Object.entries(query)) {
        if (value !== undefined && value !== null)
            parts.set(name, String(value));
    }
    const text = parts.toString();
    return text ? `?${text}` : "";
}
/** Returns milliseconds to wait: a random part of a doubling pause, after the pause that the server asked for. */
function choosePause(attempt, retryAfter) {
    return Math.random() * Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** attempt) + (retryAfter ?? 0);
}
async function readAnswer(call, response) {
    if (!response.ok) {
        const problem = parseJson(await response.text());
        const details = typeof problem === "object" && problem !== null ? problem : {};
        throw new ApiError(response.status, details, readRetryAfter(response.headers));
    }
    if (call.expects === "nothing")
        return undefined;
    if (call.expects === "bytes")
        return await response.arrayBuffer();
    const text = await response.text();
    if (call.expects === "text")
        return text;
    const answer = parseJson(text);
    if (answer === undefined) {
        throw new UnexpectedAnswerError(`${call.operation} was answered with something other than JSON.`);
    }
    return answer;
}
function parseJson(text) {
    try {
        return JSON.parse(text);
    }
    catch {
        return undefined;
    }
}
/** Returns the milliseconds of Retry-After, a number of seconds or a date; null without. */
function readRetryAfter(headers) {
    const text = (headers.get("Retry-After") ?? "").trim();
    if (/^\d+$/.test(text))
        return Number(text) * 1000;
    const moment = Date.parse(text);
    return Number.isNaN(moment) ? null : Math.max(moment - Date.now(), 0);
}
function makeKey() {
    if (typeof crypto !== "undefined" && typeof crypto.randomUUID === "function")
        return crypto.randomUUID();
    return `${Date.now().toString(36)}-${Math.random().toString(36).slice(2)}${Math.random().toString(36).slice(2)}`;
}
