import { once } from 'node:events'
import { join } from 'node:path'
import { root, startProcess } from '../harness/process.ts'

export interface BareTlsOptions {
  /** PEM, one a string: OpenSSL reads the first of each. */
  ca: string[]
  key: string
  cert: string
}

/** What Node's TLS costs without a broker behind it: the floor of ours. */
export async function startBareTls(options: BareTlsOptions) {
  await using opened = new AsyncDisposableStack()
  const env = { ...process.env, OPENSSL_CONF: join(root, 'packages/broker/openssl.cnf') }
  const script = join(import.meta.dirname, 'bare-tls-process.ts')
  const { child, output, exited } = opened.use(startProcess(process.execPath, [script], { env, ipc: true }))
  child.send(options)
  const [port] = await Promise.race([
    once(child, 'message'),
    exited().then(() => {
      throw new Error(`ended:\n${output()}`)
    }),
  ])
  const held = opened.move()
  return { port: port as number, pid: child.pid ?? 0, [Symbol.asyncDispose]: () => held.disposeAsync() }
}
