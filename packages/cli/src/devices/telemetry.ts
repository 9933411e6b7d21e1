import { TelemetryMessage } from '@muster/contracts'
import { notify, printRows } from '../io.ts'
import { type Cli, findFleet, type GlobalOptions, openOperatorApi } from '../settings.ts'
import { devicePath } from './path.ts'

export async function listTelemetry(cli: Cli, options: GlobalOptions & { limit: number }, id: string): Promise<void> {
  using api = await openOperatorApi(cli, options)
  const path = `${devicePath(id)}/telemetry`
  const messages = await api.list(path, TelemetryMessage, { fleet: findFleet(cli, options) }, options.limit)
  if (messages.length === 0 && !options.json) return notify(cli.io, `${id} has not published anything`)
  printRows(cli.io, options, messages, {
    received: (message) => message.receivedAt,
    qos: (message) => String(message.qos),
    topic: (message) => message.topic,
    payload: ({ payload, encoding }) => (encoding === 'base64' ? `base64:${payload}` : payload),
  })
}
