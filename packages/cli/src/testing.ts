import { once } from 'node:events'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import type { IncomingMessage } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { text } from 'node:stream/consumers'
import { createTestCa, poolKey } from '@muster/pki/testing'
import { loadConfig } from './config.ts'
import { runProgram } from './program.ts'

export interface Answer {
  status: number
  body?: unknown
}

export interface TestApi extends AsyncDisposable {
  url: string
  data: string
  /** `METHOD /path?query` and the body of every request. */
  requests: { target: string; body: unknown; authorization: string | undefined }[]
  /** Taken one after another. */
  answers: Answer[]
  /** Runs a command line against it. */
  run(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }>
}

export const token = 'muster_op_0123456789abcdef_secret'

/** A small real HTTPS server that answers what it is told, and the data directory of its operator. */
export async function startTestApi(): Promise<TestApi> {
  const ca = await createTestCa()
  const key = await poolKey()
  const identity = { fleet: 'muster', group: 'provisioners', device: 'provisioner-1', profile: 'server' } as const
  const certificate = await ca.issue(identity, key, { hosts: ['localhost'] })
  const requests: TestApi['requests'] = []
  const answers: Answer[] = []

  const server = createServer({
    key: key.export({ type: 'pkcs8', format: 'pem' }),
    cert: certificate.pem + ca.issuer.chain.map(String).join(''),
  })
  server.on('request', async (incoming: IncomingMessage, outgoing) => {
    const body = await text(incoming)
    const { authorization } = incoming.headers
    requests.push({ target: `${incoming.method} ${incoming.url}`, body: body && JSON.parse(body), authorization })
    const { status, body: answer } = answers.shift() ?? { status: 500, body: 'nothing to answer' }
    outgoing.writeHead(status).end(answer === undefined ? '' : JSON.stringify(answer))
  })
  server.listen(0, 'localhost')
  await once(server, 'listening')
  const url = `https://localhost:${(server.address() as AddressInfo).port}`

  const data = await mkdtemp(join(tmpdir(), 'muster-cli-'))
  await mkdir(join(data, 'ca'))
  await writeFile(join(data, 'ca/root.crt'), ca.root.toString())
  await writeFile(join(data, 'operator-token'), `${token}\n`)

  return {
    ...{ url, data, requests, answers },
    run: (...args) => runCommand({ MUSTER_DATA: data, MUSTER_API_URL: url }, ...args),
    async [Symbol.asyncDispose]() {
      server.close()
      server.closeAllConnections()
      await rm(data, { recursive: true })
    },
  }
}

export async function runCommand(env: Record<string, string>, ...args: string[]) {
  const stdout = new PassThrough({ encoding: 'utf8' })
  const stderr = new PassThrough({ encoding: 'utf8' })
  const now = () => new Date('2026-11-21T08:00:00.000Z')
  const code = await runProgram({ io: { stdout, stderr, now }, config: loadConfig(env), env }, args)
  return { code, stdout: (stdout.read() as string) ?? '', stderr: (stderr.read() as string) ?? '' }
}

export const problem = (code: string, status: number, detail: string): Answer => ({
  status,
  body: { type: `urn:muster:error:${code}`, title: 'refused', status, detail, instance: 'r1' },
})
