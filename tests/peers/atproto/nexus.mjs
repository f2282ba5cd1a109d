// The program under test as a process, and what a consumer does with its channel.
import { spawn } from 'node:child_process'
import { createServer } from 'node:net'
import { createInterface } from 'node:readline'

export const sleep = (millis) => new Promise((resolve) => setTimeout(resolve, millis))

/** Asks until the answer is truthy, for at most `seconds`. */
export async function until(what, ask, seconds = 60) {
  const end = Date.now() + seconds * 1000
  for (;;) {
    const answer = await ask()
    if (answer) return answer
    if (Date.now() > end) throw new Error(`never happened: ${what}`)
    await sleep(50)
  }
}

export const freePort = () =>
  new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address()
      server.close(() => resolve(port))
    })
  })

export class Nexus {
  /** A program on a port and a database of its own, that follows `net`. It is not started yet. */
  static async create(net, directory, settings = {}) {
    const nexus = new Nexus()
    nexus.port = await freePort()
    nexus.url = `http://127.0.0.1:${nexus.port}`
    nexus.directory = directory
    nexus.settings = {
      TAP_BIND: `127.0.0.1:${nexus.port}`,
      TAP_DATABASE_URL: `sqlite://${directory}/tap.db`,
      TAP_PLC_URL: net.plc.url,
      TAP_RELAY_URL: net.pds[0].url,
      NEXUS__SYNC__NAME_HOSTS: `.test=${net.pds[0].url}`,
      ...settings,
    }
    return nexus
  }

  async start(...flags) {
    const env = { PATH: process.env.PATH, HOME: this.directory, ...this.settings }
    const child = spawn(process.env.NEXUS_BIN, ['sync', 'run', ...flags], {
      cwd: this.directory,
      env,
      stdio: ['ignore', 'pipe', process.env.NEXUS_LOG ? 'inherit' : 'ignore'],
    })
    this.child = child
    this.ended = new Promise((resolve) => child.once('exit', (code, signal) => resolve(code ?? signal)))
    const lines = createInterface({ input: child.stdout })
    if (process.env.NEXUS_LOG) lines.on('line', (line) => console.error(line))
    await until('the start of nexus', () => this.get('/health').then((r) => r.status === 200).catch(() => false))
    return this
  }

  get(path) {
    return fetch(this.url + path)
  }

  async json(path) {
    const answer = await this.get(path)
    return answer.ok ? answer.json() : { status: answer.status, ...(await answer.json()) }
  }

  async post(path, body) {
    const headers = { 'content-type': 'application/json' }
    const answer = await fetch(this.url + path, { method: 'POST', headers, body: JSON.stringify(body) })
    if (!answer.ok) throw new Error(`POST ${path}: ${answer.status} ${await answer.text()}`)
    return answer
  }

  add(...dids) {
    return this.post('/repos/add', { dids })
  }

  active(did) {
    return until(`${did} is active`, async () => {
      const info = await this.json(`/info/${did}`)
      return info.state === 'active' && info
    })
  }

  /** SIGTERM, and what it ended with. */
  stop() {
    this.child.kill('SIGTERM')
    return this.ended
  }

  /** SIGKILL. */
  kill() {
    this.child.kill('SIGKILL')
    return this.ended
  }
}

/** A consumer that acknowledges what it gets, and keeps it. */
export class Consumer {
  constructor(nexus, query = '') {
    this.events = []
    this.from = 0
    this.closed = new Promise((resolve) => {
      this.socket = new WebSocket(`${nexus.url.replace('http', 'ws')}/channel${query}`)
      this.socket.onclose = resolve
      this.socket.onerror = () => {}
    })
    this.socket.onmessage = ({ data }) => {
      const event = JSON.parse(data)
      this.events.push(event)
      this.socket.send(JSON.stringify({ type: 'ack', id: event.id }))
    }
  }

  /** The events since the last call, once `wanted` holds of them. */
  async next(what, wanted, seconds = 60) {
    const since = () => this.events.slice(this.from)
    await until(what, () => wanted(since()), seconds).catch((error) => {
      throw new Error(`${error.message}; there was ${JSON.stringify(since(), null, 1)}`)
    })
    const events = since()
    this.from = this.events.length
    return events
  }

  close() {
    this.socket.close()
    return this.closed
  }
}
