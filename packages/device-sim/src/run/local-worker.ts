import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { Report } from '../worker/messages.ts'
import type { WorkerLink } from './worker-link.ts'

const entry = join(import.meta.dirname, '../worker/main.ts')
const outputCharacters = 4_000
const endMs = 5_000

/** A worker that is a process on this machine. */
export function startLocalWorker(name: string): WorkerLink {
  // Signals go to the whole group of a terminal: it is the coordinator that ends its workers.
  const child = fork(entry, [], { stdio: ['ignore', 'pipe', 'pipe', 'ipc'], detached: true })
  const reports = queueReports()
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream?.setEncoding('utf8').on('data', (text: string) => {
      output = (output + text).slice(-outputCharacters)
    })
  child.on('message', (report: Report) => reports.add(report))
  const streams = [child.stdout, child.stderr].map((stream) => stream && once(stream, 'close'))
  // Not `close`: where it is we who disconnect, Node never tells it.
  const ended = once(child, 'exit').then(
    async ([code, signal]) => {
      await Promise.all(streams)
      return [`ended with ${signal ?? code}`, output.trim()].filter(Boolean).join(': ')
    },
    (error: Error) => `could not be started: ${error.message}`,
  )
  return {
    name,
    // A worker that is gone says so by `ended`.
    send: (order) => void (child.connected && child.send(order, () => undefined)),
    listen: reports.listen,
    ended,
    async [Symbol.asyncDispose]() {
      if (child.connected) child.disconnect()
      const hurry = setTimeout(() => child.kill('SIGKILL'), endMs)
      await ended
      clearTimeout(hurry)
    },
  }
}

/** Keeps what comes before somebody listens. */
export function queueReports() {
  const early: Report[] = []
  let listener: ((report: Report) => void) | undefined
  return {
    add(report: Report): void {
      if (listener) listener(report)
      else early.push(report)
    },
    listen(onReport: (report: Report) => void): void {
      listener = onReport
      for (const report of early.splice(0)) onReport(report)
    },
  }
}
