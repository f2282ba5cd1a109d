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

test('5,000 events with a handler of 10 ms, through a restart and a kill -9', { timeout: 400_000 }, async () => {
  nexus = await Nexus.create(net, directory, { TAP_ADMIN_PASSWORD: 's3cret', TAP_RETRY_TIMEOUT: '5s' })
  nexus.get = (at) => fetch(nexus.url + at, { headers: { authorization: `Basic ${btoa('admin:s3cret')}` } })
  await nexus.start()
  const tap = new Tap(nexus.url, { adminPassword: 's3cret' })
  const contents = new Map()
  let handled = 0
  const indexer = new SimpleIndexer()
  indexer.identity(async () => {})
  indexer.record(async (event) => {
    await sleep(10)
    handled += 1
    const content = `${event.collection}/${event.rkey}`
    assert.equal(contents.get(event.id) ?? content, content, 'an id means one event for good')
    contents.set(event.id, content)
  })
  const errors = []
  indexer.error((error) => errors.push(error))
  const ada = await Account.create(net, 'ada')
  await ada.many(COUNT / 2)
  await tap.addRepos([ada.did])
  const channel = tap.channel(indexer, { maxReconnectSeconds: 2 })
  const running = channel.start()
  await until('a fifth is handled', () => handled > COUNT / 5, 120)
  assert.equal(await nexus.stop(), 0)
  await nexus.start()
  // The other half comes live.
  await ada.many(COUNT / 2, COUNT / 2)
  await until('two fifths are handled', () => handled > (2 * COUNT) / 5, 120)
  await sleep(1000)
  const before = handled
  await nexus.kill()
  await nexus.start()
  await until('everything is handled', () => new Set(contents.values()).size === COUNT, 240)
  assert.ok(before < handled)
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
