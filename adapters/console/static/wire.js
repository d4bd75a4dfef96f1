// The wire: the key, the stream of pictures, and single calls. EventSource sends no headers: fetch.

const KEPT = "penstock-key";
const PATIENCE_MS = 20000; // no picture for so long: the stream is dead, whatever it says
let key = sessionStorage.getItem(KEPT) ?? "";

export const hasKey = () => key !== "";

export function takeKey(given) {
  key = given.trim();
  sessionStorage.setItem(KEPT, key);
}

export function forgetKey() {
  key = "";
  sessionStorage.removeItem(KEPT);
}

/** Call the API; a refusal is an Error with `status` and the API's own sentence. */
export async function call(method, path, body) {
  const response = await fetch(path, {
    method,
    headers: { ...authorization(), ...(body === undefined ? {} : { "Content-Type": "application/json" }) },
    body: body === undefined ? undefined : JSON.stringify(body),
    cache: "no-store",
  });
  const content = await response.json().catch(() => ({}));
  if (!response.ok) throw refusal(response, content);
  return content;
}

/** Hand every event to `heard(name, content)` until the stream ends or breaks; then throw. */
export async function listen(heard) {
  const breaking = new AbortController();
  let timer = setTimeout(() => breaking.abort(), PATIENCE_MS);
  try {
    const response = await fetch("v1/overview", {
      headers: { ...authorization(), Accept: "text/event-stream" },
      cache: "no-store",
      signal: breaking.signal,
    });
    if (!response.ok) throw refusal(response, await response.json().catch(() => ({})));
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (done) throw new Error("the stream ended");
      clearTimeout(timer);
      timer = setTimeout(() => breaking.abort(), PATIENCE_MS);
      const events = (rest + value).split("\n\n");
      rest = events.pop();
      for (const event of events) heard(...parsed(event));
    }
  } finally {
    clearTimeout(timer);
    breaking.abort();
  }
}

function parsed(event) {
  const lines = Object.fromEntries(
    event.split("\n").map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 2)]),
  );
  return [lines.event, JSON.parse(lines.data)];
}

function authorization() {
  return { Authorization: `Bearer ${key}` };
}

function refusal(response, content) {
  const error = new Error(content.detail || response.statusText || `HTTP ${response.status}`);
  error.status = response.status;
  return error;
}
