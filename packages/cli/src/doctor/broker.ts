import { readFile } from 'node:fs/promises'
import { connect } from 'node:tls'
import { readRoots } from '../roots.ts'
import type { Cli } from '../settings.ts'
import type { Finding } from './command.ts'

const patienceMs = 5_000

/** The broker shows a certificate of our root; we show none, so it goes no further. */
export async function examineBroker(cli: Cli, url: string, data: string, caFile?: string): Promise<Finding> {
  const what = 'MQTT'
  const ca = await (caFile === undefined ? readRoots(data) : readFile(caFile, 'utf8').catch(() => undefined))
  if (ca === undefined) return { what, state: 'skipped', detail: 'needs the root certificate' }
  const host = new URL(url).hostname
  const port = cli.config.ports.mqtt
  const problem = await shakeHands(host, port, ca)
  const address = `mqtts://${host}:${port}`
  if (problem === undefined)
    return { what, state: 'good', detail: `${address} answers, with a certificate of this root` }
  return { what, state: 'bad', detail: `${address} (${problem}): is the broker running?` }
}

function shakeHands(host: string, port: number, ca: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, servername: host, ca, timeout: patienceMs })
    const finish = (problem?: string) => {
      socket.destroy()
      resolve(problem)
    }
    socket.on('secureConnect', () => finish())
    socket.on('timeout', () => finish('no answer'))
    socket.on('error', (error: NodeJS.ErrnoException) => finish(error.code ?? error.message))
  })
}
