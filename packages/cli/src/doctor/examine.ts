import { type Cli, findApiUrl, findData, type GlobalOptions } from '../settings.ts'
import { isReady } from '../up/ready.ts'
import { examineApi } from './api.ts'
import { examineBroker } from './broker.ts'
import type { Finding } from './command.ts'
import { examineData } from './data.ts'
import { examineDatabase } from './database.ts'

/** Every check, from what all others need to what needs all others. */
export async function examine(cli: Cli, options: GlobalOptions): Promise<Finding[]> {
  const data = findData(cli, options)
  const url = findApiUrl(cli, options)
  const { provisionerMetrics, brokerMetrics } = cli.config.ports
  const found = await Promise.all([
    examineNode(),
    examineData(data, options.ca),
    examineDatabase(cli.config.databaseUrl),
    examineReadiness('provisioner', provisionerMetrics),
    examineReadiness('broker', brokerMetrics),
    examineApi(cli, url, data, options.ca),
    examineBroker(cli, url, data, options.ca),
  ])
  return found.flat()
}

function examineNode(): Finding {
  const isGood = Number.parseInt(process.versions.node, 10) >= 24
  return {
    what: 'Node',
    state: isGood ? 'good' : 'bad',
    detail: isGood ? process.versions.node : `${process.versions.node}: Node 24 or newer is needed`,
  }
}

async function examineReadiness(what: string, port: number): Promise<Finding> {
  const ready = await isReady(port)
  const detail = ready ? `ready (port ${port})` : `does not say it is ready on port ${port}: is \`muster up\` running?`
  return { what, state: ready ? 'good' : 'bad', detail }
}
