import type { Qos } from '../client/encode.ts'

/** Who wants to know what became of a message. */
export interface Sender {
  acknowledged(n: number, topic: string, ms: number): void
}

export interface Message {
  topic: string
  payload: Buffer
  qos: Qos
  /** Its number in its stream; 0: it is in none. */
  n: number
  sender: Sender | undefined
  /** Of `performance.now()`. */
  at: number
  /** QoS 2: the broker has it, and is told that it may pass it on. */
  released?: boolean
}
