/** Devices of it are given claims and devices to play. */
export const workersGroup = 'sim-workers'

/** All within what the default policy grants a device, and a service. */
const baseOf = (fleet: string, worker: string) => `fleets/${fleet}/devices/${worker}`

export const ordersTopic = (fleet: string, worker: string, session: string) =>
  `${baseOf(fleet, worker)}/commands/sim/${session}`
export const reportsTopic = (fleet: string, worker: string, session: string) =>
  `${baseOf(fleet, worker)}/events/sim/${session}`
export const offersTopic = (fleet: string, worker: string) => reportsTopic(fleet, worker, 'offer')
export const allReports = (fleet: string) => `${baseOf(fleet, '+')}/events/sim/+`
