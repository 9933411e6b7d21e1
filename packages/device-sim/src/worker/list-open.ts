import { readdirSync, readlinkSync } from 'node:fs'

/** Of Node's own making, and gone when they are: a look at them is one of them. */
const passing = new Set(['FSReqPromise', 'FSReqCallback', 'Timeout', 'Immediate', 'TickObject', 'GetAddrInfoReqWrap'])

/** What holds the process open, and its open files where the system tells. */
export function listOpen(): string[] {
  const resources = process.getActiveResourcesInfo().filter((kind) => !passing.has(kind))
  return [...resources, ...listFiles()].sort()
}

function listFiles(): string[] {
  const directory = '/proc/self/fd'
  const names = readNames(directory)
  return names.flatMap((name) => {
    try {
      const target = readlinkSync(`${directory}/${name}`)
      // Sockets and pipes are among the resources.
      return target.startsWith('/') && !target.startsWith('/proc/') && !target.startsWith('/dev/') ? [target] : []
    } catch {
      // The directory itself, while it was read.
      return []
    }
  })
}

function readNames(directory: string): string[] {
  try {
    return readdirSync(directory)
  } catch {
    return []
  }
}
