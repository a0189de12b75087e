"use strict";
// Writes a story by GET /generate: server-sent events, read with fetch and not with EventSource,
// which would begin anew after an error, and could not tell what the server said.

const at = (id) => document.getElementById(id);
const tone = (element, number) => (element.style.setProperty("--tone", `var(--t${number})`), element);
const make = (name, text = "") => Object.assign(document.createElement(name), { textContent: text });
const ms = (value) => `${value < 10 ? value.toFixed(2) : value.toFixed(0)} ms`;

const HEALTH_EVERY_MS = 4000;
const BARS = 180;
const RATE_OVER = 50;
let api = "";
let ranks = [];
let leaving = null;  // ends the story that is being written

function tell(text, bad = false) {
  at("state").textContent = text;
  at("state").classList.toggle("bad", bad);
}

/** Mark the rank that a sentence names, and no other. */
function blame(sentence) {
  const named = /\brank (\d+)/.exec(sentence || "");
  [...at("ranks").children].forEach((card, number) =>
    card.classList.toggle("bad", named !== null && Number(named[1]) === number));
}

function showRanks(known) {
  ranks = known;
  at("ranks").replaceChildren(...known.map(({ rank, node, blocks }) => {
    const card = tone(make("li"), rank);
    card.append(make("b", `rank ${rank}: ${node}`), make("span", `blocks ${blocks[0]}–${blocks[1]}`),
      make("span", "–"), ...(rank ? [make("span", "–")] : []));
    return card;
  }));
  const parts = known.map(({ rank }) => [`rank ${rank}`, rank]);
  const ways = known.slice(1).map(({ node }, n) => [`to ${node} and back`, known.length + n]);
  at("legend").replaceChildren(...[...parts, ...ways].flatMap(([text, n]) => [tone(make("i"), n), text]));
}

async function health() {
  try {
    const answer = await fetch(`${api}/health`);
    const said = await answer.json();
    if (said.ranks && said.ranks.length !== ranks.length) showRanks(said.ranks);
    if (!leaving) {
      blame(said.error);
      if (said.error) tell(said.error, true);
      else if (at("state").classList.contains("bad")) tell("All ranks work.");
    }
  } catch {
    if (!leaving) tell("The API does not answer.", true);
  }
  setTimeout(health, HEALTH_EVERY_MS);
}

function showTimes({ ranks_ms: computed, hops_ms: hops }) {
  [...at("ranks").children].forEach((card, n) => {
    card.children[2].textContent = `computed ${ms(computed[n])}`;
    if (n) card.children[3].textContent = `way there and back ${ms(hops[n - 1])}`;
  });
  const bar = make("div");
  [...computed, ...hops].forEach((value, n) => {
    const part = tone(make("i"), n);
    part.style.height = `${Math.min(value, 100)}px`;
    bar.append(part);
  });
  at("bars").append(bar);
  while (at("bars").children.length > BARS) at("bars").firstChild.remove();
}

/** The events of a stream, one by one. */
async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const whole = (rest + value).split("\n\n");
    rest = whole.pop();
    for (const text of whole) {
      const [, kind, data] = /^event: (\w+)\ndata: (.*)$/.exec(text);
      yield [kind, JSON.parse(data)];
    }
  }
}

async function write(prompt) {
  const wish = new URLSearchParams({ prompt, seed: at("seed").value, temperature: at("temperature").value });
  const answer = await fetch(`${api}/generate?${wish}`, { signal: leaving.signal });
  if (!answer.ok) {
    const said = await answer.json();
    throw new Error(said.error || "This cannot be written.");
  }
  const moments = [performance.now()];  // of the last characters, without waiting for a rank
  let count = 0;
  const text = at("story").appendChild(document.createTextNode(""));
  for await (const [kind, event] of events(answer.body)) {
    if (kind === "waiting") {
      tell(`Waiting: ${event.waiting}`, true);
      moments.length = 0;
      blame(event.waiting);
    } else if (kind === "end") {
      blame(event.error);
      tell({ story: "The end.", length: "That is as long as a story gets." }[event.end] || event.error,
        event.end === "failed");
      return;
    } else {
      tell("Writing …");
      blame("");
      text.appendData(event.text);
      if (event.ranks_ms.length === at("ranks").children.length) showTimes(event);
      count += 1;
      moments.push(performance.now());
      if (moments.length > RATE_OVER) moments.shift();
      const seconds = (moments.at(-1) - moments[0]) / 1000;
      const rate = seconds ? `, ${((moments.length - 1) / seconds).toFixed(0)} per second` : "";
      at("rate").textContent = `${count} characters${rate}`;
    }
  }
  throw new Error("The API has gone in the middle of the story.");
}

at("wish").addEventListener("submit", async (event) => {
  event.preventDefault();
  const prompt = at("prompt").value;
  leaving = new AbortController();
  at("write").disabled = true;
  at("stop").disabled = false;
  at("story").replaceChildren(Object.assign(make("span", prompt), { className: "given" }));
  at("story").classList.add("writing");
  at("bars").replaceChildren();
  tell("Writing …");
  try {
    await write(prompt);
  } catch (error) {
    const stopped = error.name === "AbortError";
    tell(stopped ? "Stopped." : error.message, !stopped);
    blame(stopped ? "" : error.message);
  }
  leaving = null;
  at("story").classList.remove("writing");
  at("write").disabled = false;
  at("stop").disabled = true;
});
at("stop").addEventListener("click", () => leaving && leaving.abort());
fetch("where.json").then((answer) => answer.json()).then((where) => {
  api = where.api;
  health();
});
