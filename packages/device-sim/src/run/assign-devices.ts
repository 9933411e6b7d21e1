import type { Assignment } from '../worker/messages.ts'
import type { Crew } from './crew.ts'

/** Shares the devices out evenly. @returns how many each worker has */
export function assignDevices(
  crew: Crew,
  devices: number,
  assignmentOf: (range: { from: number; to: number }) => Assignment,
): number[] {
  const workers = crew.names.length
  return crew.names.map((_, index) => {
    const from = Math.floor((devices * index) / workers)
    const to = Math.floor((devices * (index + 1)) / workers)
    crew.send(index, { order: 'assign', assignment: assignmentOf({ from, to }) })
    return to - from
  })
}
