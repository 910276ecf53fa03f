"use strict";
const words = JSON.parse(document.getElementById("words").textContent);
const at = (id) => document.getElementById(id);
const API = "/api/privacy/v1/requests", IDENTITY = "/api/auth/v1/identity";

class Problem extends Error {}

async function call(method, path, body, headers = {}) {
  let answer;
  try {
    answer = await fetch(path, {
      method, headers: body ? { "content-type": "application/json", ...headers } : headers,
      body: body && JSON.stringify(body), credentials: "omit", cache: "no-store",
    });
  } catch {
    throw new Problem("offline");
  }
  const said = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Problem(answer.status === 429 ? "too-many" : said.code ?? "other");
  return said;
}

function tell(text, isProblem = false) {
  at("told").textContent = text;
  at("told").hidden = !text;
  at("told").toggleAttribute("data-problem", isProblem);
  if (text) at("told").scrollIntoView({ block: "nearest" });
}

/* Runs what a person asked for: the button waits, and a problem is told in words; what was typed stays. */
async function doing(button, work) {
  button.disabled = true;
  try {
    tell("");
    await work();
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    tell(words.problems[problem.message] ?? words.page[problem.message] ?? words.problems.other, true);
    if (at("renew") && problem.message === "request-link-expired") at("renew").hidden = false;
  } finally {
    button.disabled = false;
  }
}

function onSubmit(form, work) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (form.reportValidity()) doing(form.querySelector("button"), () => work(new FormData(form)));
  });
}

function fill(within, values) {
  for (const place of within.querySelectorAll("[data-of]")) {
    const value = values[place.dataset.of];
    if (value === undefined) continue;
    if (place.tagName === "TIME") place.dateTime = value;
    place.textContent = place.tagName === "TIME" ? day(value) : value;
  }
}

const day = (moment) => new Date(moment).toLocaleDateString(document.documentElement.lang, { dateStyle: "long" });

/* ALTCHA's proof of work: the counter whose key, derived by PBKDF2, begins as the challenge says. */
async function solved({ parameters, signature }) {
  const bytes = (hex) => Uint8Array.from(hex.match(/../g) ?? [], (pair) => parseInt(pair, 16));
  const hex = (buffer) => Array.from(new Uint8Array(buffer), (byte) => byte.toString(16).padStart(2, "0")).join("");
  const { nonce, salt, cost, keyLength, keyPrefix } = parameters;
  const password = new Uint8Array(bytes(nonce).length + 4);
  password.set(bytes(nonce));
  for (let counter = 0; ; counter++) {
    new DataView(password.buffer).setUint32(password.length - 4, counter);
    const key = await crypto.subtle.importKey("raw", password, "PBKDF2", false, ["deriveBits"]);
    const how = { name: "PBKDF2", hash: "SHA-256", salt: bytes(salt), iterations: cost };
    const derivedKey = hex(await crypto.subtle.deriveBits(how, key, keyLength * 8));
    if (derivedKey.startsWith(keyPrefix)) {
      return btoa(JSON.stringify({ challenge: { parameters, signature }, solution: { counter, derivedKey } }));
    }
  }
}

function contactForm(form) {
  onSubmit(form, async (given) => {
    tell(words.page.working);
    const made = await call("POST", API, {
      kind: given.get("kind"), message: given.get("message"), email: given.get("email"),
      for_another: given.has("for_another"), language: document.documentElement.lang,
      altcha: await solved(await call("GET", `${API}/challenge`)),
    });
    tell("");
    form.hidden = true;
    fill(at("received"), made);
    at("received").hidden = false;
  });
}

function requestPage(section) {
  const path = `${API}/${section.dataset.id}`, link = { "X-Request-Token": location.hash.slice(1) };
  for (const each of document.querySelectorAll(".languages a")) each.href += location.hash;

  function show(request) {
    const outcome = words.outcomes[request.outcome] ?? words.outcomes.other;
    const said = { ...request, kind: words.kinds[request.kind] };
    said.state = request.state === "closed" ? outcome : words.states[request.state];
    fill(document, said);
    for (const each of section.querySelectorAll("[data-open]")) each.hidden = request.state === "closed";
    at("proof").hidden = request.state !== "unproven" || request.for_another;
    at("messages").replaceChildren(...request.messages.map(message));
    section.hidden = false;
  }
  const read = async () => show(await call("GET", path, undefined, link));

  onSubmit(at("more"), async (given) => {
    await call("POST", `${path}/messages`, { message: given.get("message") }, link);
    at("more").reset();
    await read();
  });
  at("cancel").addEventListener("click", () => {
    if (confirm(words.page.sure)) doing(at("cancel"), async () => read(await call("POST", `${path}/cancel`, {}, link)));
  });
  onSubmit(at("ask-code"), async (given) => {
    const asked = await call("POST", `${IDENTITY}/codes`, { email: given.get("email") });
    at("give-code").dataset.challenge = asked.challenge_id;
    at("give-code").hidden = false;
    tell(words.page.check_mail);
  });
  onSubmit(at("give-code"), async (given) => {
    const proof = { challenge_id: at("give-code").dataset.challenge, code: given.get("code").trim() };
    const { identity_proof } = await call("POST", `${IDENTITY}/proofs`, proof);
    await call("POST", `${path}/identity`, { identity_proof }, link);
    await read();
  });
  at("renew").addEventListener("click", () => doing(at("renew"), async () => {
    await call("POST", `${path}/link`, {});
    at("renew").hidden = true;
    tell(words.page.check_mail);
  }));
  if (location.hash.length > 1) doing(at("renew"), read);
  else tell(words.page.broken, true);
}

function message({ author, text, created_at }) {
  const item = document.createElement("li"), head = document.createElement("p");
  head.textContent = `${words.authors[author]}, ${day(created_at)}`;
  item.dataset.author = author;
  item.append(head, text);
  return item;
}

if (at("contact")) contactForm(at("contact"));
if (at("request")) requestPage(at("request"));
