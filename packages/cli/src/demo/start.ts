import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { CreatedClaim, Device } from '@muster/contracts'
import type { FleetEvent } from '@muster/device-sim'
import type { Api } from '../api/client.ts'
import { replaceSecretFile } from '../secret-file.ts'
import type { UpContext } from '../up/context.ts'
import { keepProcess } from '../up/processes.ts'
import { createDemoReport } from './report.ts'
import { revokeAndTime } from './revoke.ts'

const prefix = 'demo'
const group = 'demo'

/** A fleet that shows what Muster does: it enrols, it publishes, and one of it is thrown out. */
export async function startDemo(up: UpContext, api: Api, devices: number): Promise<AsyncDisposable> {
  const store = join(up.data, 'demo')
  await mkdir(store, { recursive: true, mode: 0o700 })
  const report = createDemoReport(up, devices)
  const lateEnv = async () => {
    const claimFile = join(store, 'claim')
    const request = { group, uses: devices, expiresIn: '1h', label: `muster up --demo ${devices}` }
    await replaceSecretFile(claimFile, (await api.post('/v1/claims', request, CreatedClaim)).claim)
    const skip = await listUnusable(api)
    return { MUSTER_SIM: JSON.stringify({ url: api.url, claimFile, devices, prefix, store, skip }) }
  }
  await using opened = new AsyncDisposableStack()
  opened.use(report)
  opened.use(
    await keepProcess(up, {
      name: 'device-sim',
      env: {},
      lateEnv,
      onStart: ({ child }) => child.on('message', (event: FleetEvent) => report.add(event)),
    }),
  )
  void report.settled.then((devices) => revokeAndTime(up, api, report, devices))
  return opened.move()
}

/** Those that an earlier demo has revoked: their names stay taken. */
async function listUnusable(api: Api): Promise<string[]> {
  const devices = await api.list('/v1/devices', Device, { group })
  return devices.filter((device) => device.state !== 'active').map((device) => device.id)
}
