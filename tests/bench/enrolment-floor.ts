import { fork } from 'node:child_process'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { createServer, type TLSSocket } from 'node:tls'
import { generateKey, readCsr } from '@muster/pki'
import { createTestCa } from '@muster/pki/testing'

export interface Floor extends AsyncDisposable {
  port: number
  pid: number
  ca: string
}

interface Ready {
  port: number
  ca: string
}

/** As long as what the provisioner answers. */
const answerBytes = 3_200

/** A process that does what no enrolment can do without: the handshake, a request verified, a certificate signed, and an answer. */
export async function startFloor(): Promise<Floor> {
  const child = fork(import.meta.filename, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  const [{ port, ca }] = (await once(child, 'message')) as [Ready]
  return {
    ...{ port, ca, pid: child.pid ?? 0 },
    async [Symbol.asyncDispose]() {
      const exited = once(child, 'exit')
      child.disconnect()
      await exited
    },
  }
}

async function serve(): Promise<void> {
  const ca = await createTestCa()
  const key = await generateKey()
  const identity = { fleet: 'muster', group: 'provisioners', device: 'floor', profile: 'server' } as const
  const { pem } = await ca.issue(identity, key, { hosts: ['localhost'] })
  const answer = 'HTTP/1.1 201 Created\r\n\r\n'.padEnd(answerBytes, 'x')
  const server = createServer({
    key: key.export({ type: 'pkcs8', format: 'pem' }),
    cert: pem + ca.issuer.certificate.toString(),
    ca: ca.root.toString(),
    minVersion: 'TLSv1.2',
    requestCert: true,
    rejectUnauthorized: false,
  })
  server.on('secureConnection', (socket: TLSSocket) => {
    let text = ''
    socket.setEncoding('latin1').on('error', () => socket.destroy())
    socket.on('data', async (piece: string) => {
      text += piece
      // The one thing of the body that is looked at is the request in it.
      const csr = /"csr":"([A-Za-z0-9+/=]+)"/.exec(text)?.[1]
      if (csr === undefined) return
      const { spki } = readCsr(csr)
      await ca.issuer.sign(spki)
      socket.end(answer)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  process.on('disconnect', () => process.exit())
  process.send?.({ port: (server.address() as AddressInfo).port, ca: ca.root.toString() } satisfies Ready)
}

if (import.meta.main) await serve()
