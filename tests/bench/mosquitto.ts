import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePorts, startProcess } from '../harness/process.ts'
import { waitFor } from '../harness/wait.ts'

export interface MosquittoOptions {
  /** PEM: whom it trusts, and what it shows. */
  ca: string
  key: string
  cert: string
}

/** Mosquitto with the TLS settings of our broker, in a directory of its own; it runs as long as this does. */
export async function startMosquitto({ ca, key, cert }: MosquittoOptions) {
  await using opened = new AsyncDisposableStack()
  const directory = await mkdtemp(join(tmpdir(), 'muster-mosquitto-'))
  opened.defer(() => rm(directory, { recursive: true, force: true }))
  const [port = 0] = await freePorts(1)
  const file = (name: string) => join(directory, name)
  await writeFile(file('ca.pem'), ca)
  await writeFile(file('cert.pem'), cert)
  await writeFile(file('key.pem'), key, { mode: 0o600 })
  await writeFile(
    file('mosquitto.conf'),
    [
      // Started by root it becomes another account, which could not read the key.
      ...(process.getuid?.() === 0 ? ['user root'] : []),
      `listener ${port} 127.0.0.1`,
      `cafile ${file('ca.pem')}`,
      `certfile ${file('cert.pem')}`,
      `keyfile ${file('key.pem')}`,
      'require_certificate true',
      'use_identity_as_username true',
      'tls_version tlsv1.3',
      'set_tcp_nodelay true',
      'persistence false',
      'log_type error',
      // As many on their way, and as many waiting, as our broker has.
      'max_inflight_messages 256',
      'max_queued_messages 100000',
    ].join('\n'),
  )
  // It does not raise the limit of open files by itself, as Node does.
  const running = opened.use(
    startProcess('sh', ['-c', `ulimit -n "$(ulimit -H -n)"; exec mosquitto -c ${file('mosquitto.conf')}`], {
      env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` },
    }),
  )
  await waitFor('Mosquitto listens', async () => {
    if (running.child.exitCode !== null) return true
    const socket = connect(port, '127.0.0.1')
    await once(socket, 'connect')
    socket.destroy()
    return true
  })
  if (running.child.exitCode !== null) throw new Error(`mosquitto ended:\n${running.output()}`)
  const held = opened.move()
  return { port, pid: running.child.pid ?? 0, [Symbol.asyncDispose]: () => held.disposeAsync() }
}
