// Runs before a process' own main.ts (`node --import`): loads what takes long while others are still starting,
// then waits to be told the rest of its environment, which is known only when they have.
import { once } from 'node:events'
import { basename, dirname } from 'node:path'

const heavy: Record<string, () => Promise<unknown>> = {
  provisioner: () => import('../../../provisioner/src/app.ts'),
  broker: () => import('../../../broker/src/broker.ts'),
  'device-sim': () => import('../../../device-sim/src/fleet/run-fleet.ts'),
}

// Whoever started it is gone: it ends by itself, or else like this.
const graceMs = 10_000
process.on('disconnect', () => setTimeout(() => process.exit(1), graceMs).unref())

const told = once(process, 'message')
const name = basename(dirname(dirname(process.argv[1] ?? '')))
await heavy[name]?.()
const [environment] = await told
Object.assign(process.env, environment)
