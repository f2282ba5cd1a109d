"""A client of the relay that stands on nostr-sdk: `python3 rust-nostr.py WS_URL STEP...`

Each step says `passed STEP`, or ends the process with what went wrong.
"""

import asyncio
import json
import sys
import tempfile
import time
import urllib.request
from datetime import timedelta

from nostr_sdk import (
    ClientBuilder,
    EventBuilder,
    Filter,
    Keys,
    Kind,
    NostrLmdb,
    RelayUrl,
    ReqTarget,
    SignerAuthenticator,
    SyncDirection,
    SyncOptions,
    Tag,
    Timestamp,
    uniffi_set_event_loop,
)

URL, STEPS = sys.argv[1], sys.argv[2:]
PATIENCE = timedelta(seconds=20)


def sign(keys, kind, content="", tags=(), age=0):
    moment = Timestamp.from_secs(int(time.time()) - age)
    builder = EventBuilder(Kind(kind), content).tags([Tag.parse(list(tag)) for tag in tags])
    return builder.custom_created_at(moment).finalize(keys)


async def connected(keys=None, database=None):
    """A client; with keys, one that answers when the relay asks who it is."""
    builder = ClientBuilder()
    if database:
        builder = builder.database(database)
    if keys:
        builder = builder.authenticator(SignerAuthenticator(keys))
    client = builder.build()
    await client.add_relay(RelayUrl.parse(URL))
    await client.connect(and_wait=PATIENCE)
    return client


async def publish(client, event):
    """None if it was taken, else the relay's reason."""
    output = await client.send_event(event)
    return None if output.success else next(iter(output.failed.values()))


async def stored(client, **members):
    found = Filter.from_json(json.dumps({key.replace("tag_", "#"): value for key, value in members.items()}))
    return await client.fetch_events(ReqTarget.auto([found]), timeout=PATIENCE)


def key(keys):
    return keys.public_key().to_hex()


def ids(events):
    return [event.id().to_hex() for event in events]


async def step_publish():
    client, keys = await connected(), Keys.generate()
    note = sign(keys, 1, 'héllo \U0001f600 "\\\n', [("t", "peers")])
    assert await publish(client, note) is None
    (found,) = await stored(client, authors=[key(keys)])
    assert (found.content(), found.verify()) == (note.content(), True)
    await client.shutdown()


async def step_subscribe():
    reader, writer, keys = await connected(), await connected(), Keys.generate()
    wanted = Filter().author(keys.public_key()).kind(Kind(1))
    await reader.subscribe(ReqTarget.auto([wanted]))
    heard = reader.notifications()
    note = sign(keys, 1, "live")
    assert await publish(writer, note) is None
    while True:
        notification = await asyncio.wait_for(heard.next(), PATIENCE.total_seconds())
        if notification.is_new_event() and notification.event.id() == note.id():
            break
    for client in (reader, writer):
        await client.shutdown()


async def step_replaceable():
    client, keys = await connected(), Keys.generate()
    old, young = sign(keys, 0, "{}", age=20), sign(keys, 0, '{"name":"young"}', age=10)
    assert await publish(client, young) is None
    assert (await publish(client, old)).startswith("duplicate:")
    assert ids(await stored(client, authors=[key(keys)], kinds=[0])) == ids([young])
    await client.shutdown()


async def step_deletion():
    client, keys = await connected(), Keys.generate()
    note = sign(keys, 1, "soon gone")
    assert await publish(client, note) is None
    assert await publish(client, sign(keys, 5, tags=[("e", note.id().to_hex())])) is None
    assert [event.kind().as_u16() for event in await stored(client, authors=[key(keys)])] == [5]
    assert (await publish(await connected(), note)).startswith("blocked:")
    await client.shutdown()


async def step_auth():
    """A message for somebody is found by nobody else; who it is for is asked, and answers."""
    recipient, stranger, sender = Keys.generate(), Keys.generate(), Keys.generate()
    message = sign(sender, 4, "secret", [("p", key(recipient))])
    anybody = await connected()
    assert await publish(anybody, message) is None
    asked = {"kinds": [4], "tag_p": [key(recipient)]}
    for keys, found in ((recipient, ids([message])), (stranger, [])):
        client = await connected(keys)
        assert ids(await stored(client, **asked)) == found, found
        await client.shutdown()
    own = sign(recipient, 1, "mine alone", [("-",)])
    assert (await publish(await connected(stranger), own)).startswith("restricted:")
    assert await publish(await connected(recipient), own) is None


async def step_private():
    keys = Keys.generate()
    note = sign(keys, 1, "yes")
    assert (await publish(await connected(), note)).startswith("auth-required:")
    client = await connected(keys)
    assert await publish(client, note) is None
    assert ids(await stored(client, authors=[key(keys)])) == ids([note])
    await client.shutdown()


async def step_sync():
    """Both sides lack something; afterwards neither does."""
    keys = Keys.generate()
    notes = [sign(keys, 1, str(number), age=1_000 - number) for number in range(300)]
    with tempfile.TemporaryDirectory() as folder:
        database = await NostrLmdb.open(folder)
        client, other = await connected(database=database), await connected()
        for note in notes[:200]:
            assert await publish(other, note) is None
        for note in notes[100:]:
            await database.save_event(note)
        wanted = Filter().author(keys.public_key())
        report = (await client.sync(wanted, opts=SyncOptions().direction(SyncDirection.BOTH))).report
        assert (len(report.received), len(report.sent)) == (100, 100), (len(report.received), len(report.sent))
        assert len(await database.query(wanted)) == 300
    assert len(await stored(other, authors=[key(keys)], limit=500)) == 300


async def step_job():
    """A job from request to result."""
    customer, provider = Keys.generate(), Keys.generate()
    asking, working = await connected(), await connected()
    jobs = Filter().kind(Kind(5050)).pubkey(provider.public_key())
    await working.subscribe(ReqTarget.auto([jobs]))
    heard = working.notifications()
    request = sign(customer, 5050, tags=[("i", "hello", "text"), ("bid", "2000"), ("p", key(provider))])
    assert await publish(asking, request) is None
    while True:
        notification = await asyncio.wait_for(heard.next(), PATIENCE.total_seconds())
        if notification.is_new_event():
            break
    found = notification.event
    tags = [("e", found.id().to_hex()), ("p", found.author().to_hex())]
    assert await publish(working, sign(provider, 7000, tags=[("status", "processing"), *tags])) is None
    result = sign(provider, 6050, "HELLO", [("request", found.as_json()), *tags])
    assert await publish(working, result) is None
    (answer,) = await stored(asking, kinds=[6050], tag_e=[request.id().to_hex()])
    assert answer.content() == "HELLO"
    with urllib.request.urlopen(f"{URL.replace('ws', 'http', 1)}api/v1/jobs/{request.id().to_hex()}") as response:
        job = json.load(response)
    assert (job["state"], job["result_id"]) == ("succeeded", result.id().to_hex()), job


async def main():
    uniffi_set_event_loop(asyncio.get_running_loop())
    for step in STEPS:
        await asyncio.wait_for(globals()[f"step_{step}"](), 60)
        print(f"passed {step}", flush=True)


asyncio.run(main())
