import type { DeviceStore } from '@muster/device'
import type { MqttClient } from 'mqtt'
import type { KeyPool } from '../keys/key-pool.ts'
import type { Observation } from '../observations.ts'
import type { DevicePlan } from '../plan/device-plan.ts'
import type { Scheduler } from '../telemetry/scheduler.ts'
import type { Account } from '../worker/account.ts'
import type { Life } from './life.ts'

type Limit = <Result>(task: () => Promise<Result>) => Promise<Result>

/** What all devices of a worker share. */
export interface World {
  run: string
  seed: number
  /** The provisioner. */
  url: string
  claimOf(plan: DevicePlan): string
  /** Where a device need not enrol: puts its certificate into its store. */
  prepare: ((store: DeviceStore, index: number) => Promise<void>) | undefined
  /** Renews for a device with the SDK's client as long as that lives; undefined: at the window that each certificate came with. */
  keepRenewed: ((life: Life, client: MqttClient) => AsyncDisposable | undefined) | undefined
  account: Account
  observe(observation: Observation): void
  /** Something that must not happen: no device's failure, one of the simulator. */
  fail(error: unknown): void
  scheduler: Scheduler
  keys: KeyPool
  /** Requests to the provisioner that are under way at once, and handshakes with the broker: more would only wait for each other here. */
  asking: Limit
  connecting: Limit
  /** Those who make trouble are over. */
  acting: AbortSignal
  /** The devices' part is over. */
  signal: AbortSignal
}
