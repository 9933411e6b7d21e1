// A worker process: its orders come from its parent, and it ends with it.
import type { Order, Report } from './messages.ts'
import { playWorker } from './play-worker.ts'

process.on('disconnect', () => process.exit())
await playWorker({
  receive: (listener) => void process.on('message', (order) => listener(order as Order)),
  send: (report: Report) => void process.send?.(report, () => undefined),
})
if (process.connected) process.disconnect()
