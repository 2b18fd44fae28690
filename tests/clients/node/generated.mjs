// Calls the generated client as its task says and prints what came back: node generated.mjs, with the task as JSON in standard input.
import { readFileSync } from "node:fs";

const task = JSON.parse(readFileSync(0, "utf8"));
const { Client, PerennialError } = await import(task.module);
const report = { answers: {}, pages: [] };

async function call(client, { method, parameters }) {
  const takes = parameters === null ? [] : [parameters];
  try {
    return { answer: await client[method](...takes) };
  } catch (error) {
    if (!(error instanceof PerennialError)) throw error;
    return { error: error.name, status: error.status ?? null, type: error.problem?.type ?? null };
  }
}

const client = new Client({ url: task.url, key: task.key, timeout: 300_000 });
for (const [name, operation] of Object.entries(task.operations)) {
  const { answer, ...refusal } = await call(client, operation);
  report.answers[name] = refusal.error ? refusal : { ok: true, answer: answer === undefined ? null : typeof answer };
}
for (const { url, options, method, parameters } of task.pages) {
  const errors = [];
  const page = new Client({ url, key: task.key, onError: (error) => errors.push(error.name), ...options });
  report.pages.push({ ...(await call(page, { method, parameters })), errors });
}
console.log(JSON.stringify(report));
