// A client of the relay that stands on nostr-tools: `node nostr-tools.mjs WS_URL STEP...`
// Each step says `passed STEP`, or ends the process with what went wrong.
import assert from "node:assert/strict";
import { nip77 } from "nostr-tools";
import { fetchRelayInformation } from "nostr-tools/nip11";
import { finalizeEvent, generateSecretKey, getPublicKey, verifyEvent } from "nostr-tools/pure";
import { Relay, useWebSocketImplementation } from "nostr-tools/relay";
import WebSocket from "ws";

useWebSocketImplementation(WebSocket);

const [url, ...steps] = process.argv.slice(2);
const now = () => Math.floor(Date.now() / 1000);

// A key of its own for each step, so that steps can't see each other's events.
const me = () => {
  const secret = generateSecretKey();
  const sign = (kind, content, tags = [], age = 0) =>
    finalizeEvent({ kind, content, tags, created_at: now() - age }, secret);
  return { secret, pubkey: getPublicKey(secret), sign };
};

const stored = (relay, ...filters) =>
  new Promise((resolve, reject) => {
    const events = [];
    const subscription = relay.subscribe(filters, {
      onevent: (event) => events.push(event),
      oneose: () => {
        resolve(events);
        subscription.close();
      },
      onclose: (reason) => reject(new Error(reason)),
    });
  });

const ids = (events) => events.map((event) => event.id);

const refused = async (attempt) => {
  try {
    await attempt;
  } catch (error) {
    return error.message;
  }
  throw new Error("it was not refused");
};

const all = {
  async publish(relay) {
    const { pubkey, sign } = me();
    const note = sign(1, "héllo \u{1f600} \"\\\n\u0001\u2028", [["t", "peers"]]);
    assert.equal(await relay.publish(note), "");
    assert.match(await relay.publish(note), /^duplicate:/);
    assert.match(await refused(relay.publish({ ...sign(1, "changed"), content: "other" })), /^invalid:/);
    const forged = { ...sign(1, "forged"), sig: note.sig };
    assert.match(await refused(relay.publish(forged)), /^invalid:/);
    const [found] = await stored(relay, { authors: [pubkey] });
    assert.deepEqual([found.id, found.content, found.tags], [note.id, note.content, note.tags]);
    assert.ok(verifyEvent(found));
  },

  async subscribe(relay) {
    const { pubkey, sign } = me();
    const [first, second] = [sign(1, "first", [], 20), sign(1, "second", [], 10)];
    await relay.publish(first);
    await relay.publish(second);
    const seen = [];
    let live;
    const third = new Promise((resolve) => (live = resolve));
    const other = await Relay.connect(url);
    await new Promise((resolve) => {
      other.subscribe([{ authors: [pubkey], kinds: [1] }, { ids: [first.id] }], {
        onevent: (event) => (seen.push(event.content), event.content === "third" && live()),
        oneose: () => (seen.push("eose"), resolve()),
      });
    });
    await relay.publish(sign(2, "of another kind"));
    await relay.publish(sign(1, "third"));
    await third;
    assert.deepEqual(seen, ["second", "first", "eose", "third"]);
    other.close();
    assert.deepEqual((await stored(relay, { authors: [pubkey], limit: 1 })).length, 1);
  },

  async replaceable(relay) {
    const { pubkey, sign } = me();
    const [old, young] = [sign(0, "old", [], 20), sign(0, "young", [], 10)];
    await relay.publish(young);
    assert.match(await refused(relay.publish(old)), /^duplicate: a newer version/);
    const pages = ["a", "b"].map((d) => sign(30023, d, [["d", d]]));
    for (const page of [...pages, sign(30023, "older", [["d", "a"]], 60)]) await relay.publish(page).catch(() => {});
    assert.deepEqual(ids(await stored(relay, { authors: [pubkey], kinds: [0] })), [young.id]);
    assert.deepEqual(ids(await stored(relay, { authors: [pubkey], "#d": ["a"] })), [pages[0].id]);
  },

  async deletion(relay) {
    const { pubkey, sign } = me();
    const stranger = me();
    const note = sign(1, "soon gone");
    await relay.publish(note);
    await relay.publish(stranger.sign(5, "", [["e", note.id]]));
    assert.equal((await stored(relay, { ids: [note.id] })).length, 1);
    await relay.publish(sign(5, "", [["e", note.id], ["k", "1"]]));
    assert.equal((await stored(relay, { ids: [note.id] })).length, 0);
    assert.match(await refused(relay.publish(note)), /^blocked: deleted/);
    assert.deepEqual((await stored(relay, { authors: [pubkey] })).map((event) => event.kind), [5]);
  },

  async count(relay) {
    const target = me().sign(1, "popular");
    await relay.publish(target);
    for (let n = 0; n < 7; n += 1) await relay.publish(me().sign(7, "+", [["e", target.id]]));
    const filter = { kinds: [7], "#e": [target.id] };
    assert.equal(await relay.count([filter], {}), 7);
    const { count, hll } = await relay.countWithHLL([filter], {});
    assert.equal(count, 7);
    assert.match(hll, /^[0-9a-f]{512}$/);
  },

  async auth(relay) {
    const { pubkey, secret, sign } = me();
    const message = me().sign(4, "secret", [["p", pubkey]]);
    await relay.publish(message);
    const signer = async (template) => finalizeEvent(template, secret);
    const closed = await refused(stored(relay, { kinds: [4], "#p": [pubkey] }));
    assert.match(closed, /^auth-required:/);
    assert.match(await refused(relay.publish(sign(1, "mine alone", [["-"]]))), /^auth-required:/);
    await relay.auth(signer);
    assert.deepEqual(ids(await stored(relay, { kinds: [4], "#p": [pubkey] })), [message.id]);
    assert.equal(await relay.publish(sign(1, "mine alone", [["-"]])), "");
  },

  // A relay that asks everybody who they are.
  async private() {
    const { pubkey, secret, sign } = me();
    const silent = await Relay.connect(url);
    assert.match(await refused(stored(silent, { kinds: [1] })), /^auth-required:/);
    assert.match(await refused(silent.publish(sign(1, "no"))), /^auth-required:/);
    silent.close();
    const relay = await Relay.connect(url);
    // The challenge comes before the first answer.
    assert.match(await refused(relay.publish(sign(1, "too early"))), /^auth-required:/);
    await relay.auth(async (template) => finalizeEvent(template, secret));
    const note = sign(1, "yes");
    assert.equal(await relay.publish(note), "");
    assert.deepEqual(ids(await stored(relay, { authors: [pubkey] })), [note.id]);
    relay.close();
  },

  async sync(relay) {
    const { pubkey, sign } = me();
    const [common, theirs, ours] = [sign(1, "common", [], 3), sign(1, "theirs", [], 2), sign(1, "ours", [], 1)];
    await relay.publish(common);
    await relay.publish(theirs);
    const storage = new nip77.NegentropyStorageVector();
    for (const event of [common, ours]) storage.insert(event.created_at, event.id);
    storage.seal();
    const [have, need] = [[], []];
    await new Promise((resolve, reject) => {
      const sync = new nip77.NegentropySync(relay, storage, { authors: [pubkey] }, {
        onhave: (id) => have.push(id),
        onneed: (id) => need.push(id),
        onclose: (error) => (error ? reject(new Error(error)) : resolve()),
      });
      sync.start().catch(reject);
    });
    assert.deepEqual([have, need], [[ours.id], [theirs.id]]);
  },

  // A job from request to result: the provider finds it live, says that it works, and answers.
  async job(relay) {
    const [customer, provider] = [me(), me()];
    const handler = provider.sign(31990, '{"name":"echo"}', [["d", "echo"], ["k", "5050"]]);
    await relay.publish(handler);
    assert.deepEqual(ids(await stored(relay, { kinds: [31990], "#k": ["5050"], authors: [provider.pubkey] })), [handler.id]);
    const market = await Relay.connect(url);
    const answered = new Promise((resolve, reject) => {
      market.subscribe([{ kinds: [5050], "#p": [provider.pubkey] }], {
        onevent: (request) => {
          const tags = [["e", request.id], ["p", request.pubkey]];
          const feedback = provider.sign(7000, "", [["status", "processing"], ...tags]);
          const result = provider.sign(6050, "HELLO", [["request", JSON.stringify(request)], ...tags, ["amount", "1000"]]);
          market.publish(feedback).then(() => market.publish(result)).then(resolve, reject);
        },
      });
    });
    const request = customer.sign(5050, "", [["i", "hello", "text"], ["bid", "2000"], ["p", provider.pubkey]]);
    const heard = new Promise((resolve) => {
      const answers = [];
      relay.subscribe([{ kinds: [6050, 7000], "#e": [request.id] }], {
        onevent: (event) => answers.push(event) === 2 && resolve(answers),
      });
    });
    await relay.publish(request);
    await answered;
    const [feedback, result] = await heard;
    assert.deepEqual([feedback.kind, result.kind, result.content], [7000, 6050, "HELLO"]);
    const job = await (await fetch(`${url.replace("ws", "http")}api/v1/jobs/${request.id}`)).json();
    assert.deepEqual([job.state, job.customer, job.result_id], ["succeeded", customer.pubkey, result.id]);
    market.close();
  },

  async information() {
    const information = await fetchRelayInformation(url);
    for (const nip of [1, 9, 11, 42, 45, 77]) assert.ok(information.supported_nips.includes(nip), `NIP ${nip}`);
    assert.ok(information.limitation.max_subscriptions > 0);
  },
};

for (const step of steps) {
  const relay = step === "private" ? null : await Relay.connect(url);
  await all[step](relay);
  relay?.close();
  console.log(`passed ${step}`);
}
process.exit(0);
