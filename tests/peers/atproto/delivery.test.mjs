// The other ways out: without acknowledgements, by webhook, and to named consumers.
import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { after, before, test } from 'node:test'
import { Account, startNetwork } from './accounts.mjs'
import { Consumer, Nexus, until } from './nexus.mjs'

let net, ada
const directories = []

before(async () => {
  net = await startNetwork()
  ada = await Account.create(net, 'ada')
  await ada.many(300)
})

after(async () => {
  await net.stop()
  for (const directory of directories) await rm(directory, { recursive: true, force: true })
})

async function create(settings) {
  const directory = await mkdtemp(path.join(tmpdir(), 'nexus-peers-'))
  directories.push(directory)
  return Nexus.create(net, directory, settings)
}

/** The record keys among events. */
const keys = (events) => new Set(events.filter(({ type }) => type === 'record').map(({ record }) => record.rkey))

test('without acknowledgements what is written is settled', async () => {
  const nexus = await create({ TAP_DISABLE_ACKS: 'true' })
  await nexus.start()
  const socket = new WebSocket(`${nexus.url.replace('http', 'ws')}/channel`)
  const events = []
  socket.onmessage = ({ data }) => events.push(JSON.parse(data))
  await nexus.add(ada.did)
  await until('every event', () => keys(events).size === 300)
  await until('nothing is left', async () => (await nexus.json('/stats/outbox-buffer')).outbox_buffer === 0)
  assert.equal(events.length, 301, 'nothing came twice')
  socket.close()
  assert.equal(await nexus.stop(), 0)
})

test('a webhook that fails now and then gets everything in the end', async () => {
  const events = []
  let requests = 0
  const server = createServer(async (request, response) => {
    const chunks = []
    for await (const chunk of request) chunks.push(chunk)
    const body = Buffer.concat(chunks).toString()
    requests += 1
    // The first fifty, and one in a hundred after.
    if (requests <= 50 || requests % 100 === 0) return response.writeHead(503).end()
    const [, time, hash] = /^t=(\d+),v1=([0-9a-f]+)$/.exec(request.headers['x-nexus-signature'])
    assert.equal(createHmac('sha256', 'shared').update(`${time}.${body}`).digest('hex'), hash)
    assert.match(request.headers['user-agent'], /^tap\//)
    events.push(JSON.parse(body))
    response.writeHead(200).end()
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${server.address().port}/hook`
  const nexus = await create({ TAP_WEBHOOK_URL: url, NEXUS__SYNC__WEBHOOK__SECRET: 'shared' })
  await nexus.start()
  assert.equal((await nexus.get('/channel')).status, 400)
  await nexus.add(ada.did)
  await until('every event', () => keys(events).size === 300, 90)
  await until('nothing is left', async () => (await nexus.json('/stats/outbox-buffer')).outbox_buffer === 0)
  assert.equal(await nexus.stop(), 0)
  server.close()
})

test('named consumers have their own place and collections', async () => {
  const nexus = await create({})
  await nexus.start()
  const posts = new Consumer(nexus, '?consumer=posts&collections=app.bsky.*')
  const things = new Consumer(nexus, '?consumer=things&collections=com.example.thing')
  await nexus.add(ada.did)
  await until('every thing', () => keys(things.events).size === 300)
  await nexus.active(ada.did)
  await ada.post('a post')
  await until('the post', () => keys(posts.events).size === 1)
  assert.equal(keys(things.events).size, 300)
  const lag = async () => (await nexus.json('/stats/consumers')).consumers.map(({ lag }) => lag)
  await until('both have settled all', async () => (await lag()).every((lag) => lag === 0))
  assert.ok((await nexus.json('/stats/outbox-buffer')).outbox_buffer > 300, 'nobody read the shared outbox')
  await things.close()
  const again = new Consumer(nexus, '?consumer=things&seq=0')
  await until('all of it again', () => keys(again.events).size === 300)
  await again.close()
  await posts.close()
  assert.equal(await nexus.stop(), 0)
})
