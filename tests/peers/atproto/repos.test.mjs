// What becomes of the repos of a real PDS: each step goes on from the one before.
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { after, before, test } from 'node:test'
import { Account, rkeyOf, startNetwork } from './accounts.mjs'
import { Consumer, Nexus } from './nexus.mjs'

let net, directory, nexus, consumer, ada, first

const short = ({ type, record, identity }) =>
  type === 'record'
    ? `${record.live ? 'live' : 'history'} ${record.action} ${record.collection}/${record.rkey}`
    : `${identity.status} ${identity.handle}`

before(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'nexus-peers-'))
  net = await startNetwork()
  nexus = await Nexus.create(net, directory)
  await nexus.start()
  consumer = new Consumer(nexus)
})

after(async () => {
  await nexus.stop()
  await net.stop()
  await rm(directory, { recursive: true, force: true })
})

test('a repo that is added is backfilled, its account first', async () => {
  ada = await Account.create(net, 'ada')
  first = rkeyOf(await ada.post('one'))
  await ada.post('two')
  await ada.put('com.example.thing', { $type: 'com.example.thing', n: 1 }, 'it')
  await nexus.add(ada.did)
  const events = await consumer.next('the backfill', (all) => all.length >= 4)
  assert.equal(short(events[0]), 'active ada.test')
  assert.equal(events[0].identity.is_active, true)
  const records = events.slice(1)
  assert.ok(records.every(({ record }) => !record.live && record.action === 'create' && record.cid), records.map(short))
  assert.deepEqual(records.map(({ record }) => record.record.text ?? record.record.n).sort(), [1, 'one', 'two'])
  const info = await nexus.active(ada.did)
  assert.deepEqual([info.handle, info.records, info.error, info.retries], ['ada.test', 3, '', 0])
  assert.deepEqual(await nexus.json('/stats/repo-count'), { repo_count: 1 })
  assert.deepEqual(await nexus.json('/stats/record-count'), { record_count: 3 })
  const document = await nexus.json(`/resolve/${ada.did}`)
  assert.deepEqual([document.id, document.alsoKnownAs], [ada.did, ['at://ada.test']])
  assert.equal((await nexus.get('/resolve/did:plc:aaaaaaaaaaaaaaaaaaaaaaaa')).status, 404)
})

test('what is written is told as it happens', async () => {
  await ada.post('changed', first)
  const [update] = await consumer.next('the update', (all) => all.length === 1)
  assert.equal(short(update), `live update app.bsky.feed.post/${first}`)
  assert.equal(update.record.record.text, 'changed')
  const third = rkeyOf(await ada.post('three'))
  const [create] = await consumer.next('the create', (all) => all.length === 1)
  assert.equal(short(create), `live create app.bsky.feed.post/${third}`)
  await ada.delete('app.bsky.feed.post', third)
  const [gone] = await consumer.next('the delete', (all) => all.length === 1)
  assert.equal(short(gone), `live delete app.bsky.feed.post/${third}`)
  assert.deepEqual([gone.record.cid, gone.record.record], [undefined, undefined])
  assert.ok((await nexus.json('/stats/cursors')).firehose > 0)
})

test('a new handle is told', async () => {
  await ada.call('com.atproto.identity.updateHandle', { handle: 'lovelace.test' })
  const events = await consumer.next('the handle', (all) => all.some((event) => short(event) === 'active lovelace.test'))
  assert.ok(events.every(({ type }) => type === 'identity'))
})

test('an account is set aside and taken up again', async () => {
  await ada.call('com.atproto.server.deactivateAccount', {})
  await consumer.next('the deactivation', (all) => all.some((event) => short(event) === 'deactivated lovelace.test'))
  assert.equal((await nexus.json(`/info/${ada.did}`)).status, 'deactivated')
  await ada.call('com.atproto.server.activateAccount')
  await consumer.next('the activation', (all) => all.some((event) => short(event) === 'active lovelace.test'))
  assert.equal((await nexus.json(`/info/${ada.did}`)).records, 3)
})

test('an account is taken down and given back', async () => {
  await ada.takedown(true)
  const [down] = await consumer.next('the takedown', (all) => all.length === 1)
  assert.deepEqual([short(down), down.identity.is_active], ['takendown lovelace.test', false])
  await ada.takedown(false)
  await consumer.next('the end of it', (all) => all.some((event) => short(event) === 'active lovelace.test'))
})

test('after a missed commit the repo is fetched again, and what is gone is told as deleted', async () => {
  await nexus.active(ada.did)
  assert.equal(await nexus.stop(), 0)
  await consumer.closed
  await ada.delete('app.bsky.feed.post', first)
  const missed = rkeyOf(await ada.post('missed'))
  await nexus.start('--no-replay')
  consumer = new Consumer(nexus)
  const seen = rkeyOf(await ada.post('seen'))
  const events = await consumer.next('the resync', (all) => all.length >= 3)
  const wanted = [`delete app.bsky.feed.post/${first}`, `create app.bsky.feed.post/${missed}`, `create app.bsky.feed.post/${seen}`]
  const told = events.filter(({ type }) => type === 'record').map((event) => short(event).replace('history ', ''))
  assert.deepEqual(told.sort(), wanted.sort())
  assert.equal((await nexus.active(ada.did)).records, 4)
})

test('all records can be told again', async () => {
  const answer = await nexus.post('/repos/resync', { dids: [ada.did], reemit: true })
  assert.deepEqual(await answer.json(), { repos: 1 })
  const events = await consumer.next('the records', (all) => all.filter(({ type }) => type === 'record').length >= 4)
  const records = events.filter(({ type }) => type === 'record')
  assert.ok(records.every((event) => short(event).startsWith('history update')), records.map(short))
  await nexus.active(ada.did)
})

test('a repo that is removed is silent, and is backfilled when it is added again', async () => {
  await nexus.post('/repos/remove', { dids: [ada.did] })
  assert.equal((await nexus.get(`/info/${ada.did}`)).status, 404)
  assert.deepEqual(await nexus.json('/stats/record-count'), { record_count: 0 })
  const ben = await Account.create(net, 'ben')
  await nexus.add(ben.did)
  await nexus.active(ben.did)
  await consumer.next('another account', (all) => all.some((event) => short(event) === 'active ben.test'))
  await ada.post('unheard')
  await ben.post('heard')
  const events = await consumer.next('the other post', (all) => all.length >= 1)
  assert.deepEqual(events.map(({ record }) => record.did), [ben.did])
  await nexus.add(ada.did)
  const again = await consumer.next('the backfill', (all) => all.length >= 6)
  assert.ok(again.slice(1).every((event) => short(event).startsWith('history create')), again.map(short))
})

test('an account that is deleted is told and forgotten', async () => {
  await nexus.active(ada.did)
  await ada.admin('com.atproto.admin.deleteAccount', { did: ada.did })
  const [gone] = await consumer.next('the deletion', (all) => all.length >= 1)
  assert.equal(short(gone), 'deleted lovelace.test')
  assert.equal((await nexus.get(`/info/${ada.did}`)).status, 404)
})

test('at a stop the line breaks without a goodbye, and ids go on', async () => {
  const last = Math.max(...consumer.events.map(({ id }) => id))
  assert.equal(await nexus.stop(), 0)
  assert.equal((await consumer.closed).code, 1006)
  await nexus.start()
  const ids = consumer.events.map(({ id }) => id)
  consumer = new Consumer(nexus)
  const eve = await Account.create(net, 'eve')
  await nexus.add(eve.did)
  const events = await consumer.next('a new account', (all) => all.some((event) => short(event) === 'active eve.test'))
  assert.ok(events.every(({ id }) => id > last || ids.includes(id)))
  assert.ok(events.at(-1).id > last)
})
