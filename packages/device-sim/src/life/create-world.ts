import { setMaxListeners } from 'node:events'
import { KeyPool } from '../keys/key-pool.ts'
import { createLimit } from '../limit.ts'
import { Scheduler } from '../telemetry/scheduler.ts'
import { Account } from '../worker/account.ts'
import type { World } from './world.ts'

/** Under way at once, of each worker. */
const concurrent = { asking: 16, connecting: 64 }

export function createWorld(own: Omit<World, 'account' | 'scheduler' | 'keys' | 'asking' | 'connecting'>): World {
  // Every device listens to them.
  setMaxListeners(0, own.acting, own.signal)
  return {
    ...own,
    account: new Account(),
    scheduler: new Scheduler(),
    keys: new KeyPool(),
    asking: createLimit(concurrent.asking),
    connecting: createLimit(concurrent.connecting),
  }
}
