// A network, and what people and operators do on it.
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

/** A PLC directory and a PDS on loopback. */
export async function startNetwork(...options) {
  const script = fileURLToPath(new URL('./testnet.mjs', import.meta.url))
  const child = spawn(process.execPath, [script, ...options], { stdio: ['pipe', 'pipe', 'inherit'] })
  const ready = new Promise((resolve, reject) => {
    createInterface({ input: child.stdout }).once('line', (line) => resolve(JSON.parse(line)))
    child.once('exit', () => reject(new Error('the test network did not start')))
  })
  const net = await ready
  net.stop = () => new Promise((resolve) => child.once('exit', resolve) && child.stdin.end())
  return net
}

async function call(url, method, body, headers = {}) {
  const init = { method: 'POST', headers: { ...headers } }
  if (body !== undefined) {
    init.headers['content-type'] = 'application/json'
    init.body = JSON.stringify(body)
  }
  const answer = await fetch(`${url}/xrpc/${method}`, init)
  const text = await answer.text()
  if (!answer.ok) throw new Error(`${method}: ${answer.status} ${text}`)
  return text ? JSON.parse(text) : {}
}

export class Account {
  static async create(net, name) {
    const account = new Account()
    const [pds] = net.pds
    const body = { handle: `${name}.test`, email: `${name}@example.com`, password: 'password' }
    Object.assign(account, { net, url: pds.url }, await call(pds.url, 'com.atproto.server.createAccount', body))
    return account
  }

  call(method, body) {
    return call(this.url, method, body, { authorization: `Bearer ${this.accessJwt}` })
  }

  /** The operator's word on this account. */
  admin(method, body) {
    const password = Buffer.from(`admin:${this.net.pds[0].adminPassword}`).toString('base64')
    return call(this.url, method, body, { authorization: `Basic ${password}` })
  }

  post(text, rkey) {
    const record = { $type: 'app.bsky.feed.post', text, createdAt: new Date().toISOString() }
    return this.put('app.bsky.feed.post', record, rkey)
  }

  /** Creates a record, or writes over the one that `rkey` names. */
  put(collection, record, rkey) {
    const method = rkey ? 'com.atproto.repo.putRecord' : 'com.atproto.repo.createRecord'
    return this.call(method, { repo: this.did, collection, record, rkey, validate: false })
  }

  delete(collection, rkey) {
    return this.call('com.atproto.repo.deleteRecord', { repo: this.did, collection, rkey })
  }

  /** Creates `count` records, as few commits as can be. */
  async many(count, from = 0) {
    for (let done = 0; done < count; done += 200) {
      const writes = Array.from({ length: Math.min(200, count - done) }, (_, n) => ({
        $type: 'com.atproto.repo.applyWrites#create',
        collection: 'com.example.thing',
        rkey: `n${from + done + n}`,
        value: { $type: 'com.example.thing', n: from + done + n },
      }))
      await this.call('com.atproto.repo.applyWrites', { repo: this.did, validate: false, writes })
    }
  }

  takedown(applied) {
    const subject = { $type: 'com.atproto.admin.defs#repoRef', did: this.did }
    return this.admin('com.atproto.admin.updateSubjectStatus', { subject, takedown: { applied } })
  }
}

/** The last part of a record's URI. */
export const rkeyOf = ({ uri }) => uri.split('/').at(-1)
