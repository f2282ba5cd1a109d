// The official client, with a handler that takes its time, through a restart and a power cut.
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { after, before, test } from 'node:test'
import { SimpleIndexer, Tap } from '@atproto/tap'
import { Account, startNetwork } from './accounts.mjs'
import { Nexus, sleep, until } from './nexus.mjs'

const COUNT = 5000

let net, directory, nexus

before(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'nexus-peers-'))
  net = await startNetwork()
})

after(async () => {
  await nexus?.stop()
  await net.stop()
  await rm(directory, { recursive: true, force: true })
})

test('5,000 events with a handler of 10 ms, through a restart and a kill -9', { timeout: 900_000 }, async () => {
  nexus = await Nexus.create(net, directory, { TAP_ADMIN_PASSWORD: 's3cret', TAP_RETRY_TIMEOUT: '5s' })
  nexus.get = (at) => fetch(nexus.url + at, { headers: { authorization: `Basic ${btoa('admin:s3cret')}` } })
  await nexus.start()
  const tap = new Tap(nexus.url, { adminPassword: 's3cret' })
  const contents = new Map()
  let handled = 0
  const handle = async (event) => {
    await sleep(10)
    if (event.type !== 'record') return
    handled += 1
    const content = `${event.collection}/${event.rkey}`
    assert.equal(contents.get(event.id) ?? content, content, 'an id means one event for good')
    contents.set(event.id, content)
  }
  const errors = []
  const onError = (error) => errors.push(error)
  const indexer = new SimpleIndexer().identity(handle).record(handle).error(onError)
  const ada = await Account.create(net, 'ada')
  await ada.many(COUNT / 2)
  await tap.addRepos([ada.did])
  const all = () => new Set(contents.values()).size
  let channel = tap.channel(indexer, { maxReconnectSeconds: 2 })
  let running = channel.start()
  await until('a fifth is handled', () => handled > COUNT / 5, 240)
  // A stop waits for what is under way, so that the client isn't cut off while it wants to acknowledge.
  assert.equal(await nexus.stop(), 0)
  await nexus.start()
  await until('half is handled', () => all() === COUNT / 2, 240)
  await channel.destroy()
  await running
  // The other half comes live. A power cut waits for nobody: this handler doesn't wait for its acknowledgement, which
  // the client can only send once it is connected again, and it connects only between two events.
  const patient = { onEvent: (event, { ack }) => handle(event).then(() => void ack().catch(onError)), onError }
  channel = tap.channel(patient, { maxReconnectSeconds: 2 })
  running = channel.start()
  await ada.many(COUNT / 2, COUNT / 2)
  await until('some more is handled', () => all() > (6 * COUNT) / 10, 240)
  await nexus.kill()
  await nexus.start()
  await until('everything is handled', () => all() === COUNT, 360)
  const repeated = handled - contents.size
  // What one window holds, at each of the two ends, and what was acknowledged in the last second before the cut.
  assert.ok(repeated < 1_000, `${repeated} events came twice`)
  assert.deepEqual(errors.map(String), [])
  const info = await tap.getRepoInfo(ada.did)
  assert.deepEqual([info.state, info.records], ['active', COUNT])
  assert.equal((await tap.resolveDid(ada.did)).id, ada.did)
  assert.equal(await tap.resolveDid('did:plc:aaaaaaaaaaaaaaaaaaaaaaaa'), null)
  await channel.destroy()
  await running
})
