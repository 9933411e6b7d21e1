import type { Order, Report } from '../worker/messages.ts'

/** A worker, wherever it is. */
export interface WorkerLink extends AsyncDisposable {
  readonly name: string
  send(order: Order): void
  /** One listener; what came before it is set is kept for it. */
  listen(onReport: (report: Report) => void): void
  /** Resolves when no more will come, with what there is to say about it. */
  readonly ended: Promise<string>
}
