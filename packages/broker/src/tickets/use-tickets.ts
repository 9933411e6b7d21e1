import { randomBytes } from 'node:crypto'
import type { Server } from 'node:tls'
import type { TicketMaterial } from './ticket-material.ts'

/** What Node has for it and does not document; `setTicketKeys` knows one key only, and so would end the tickets of the period before. */
interface Internals {
  _sharedCreds?: {
    context?: {
      enableTicketKeyCallback?(): void
      onticketkeycallback?: (name: Buffer, iv: Buffer, sealing: boolean) => [number, Buffer, Buffer, Buffer?, Buffer?]
    }
  }
}

const none = Buffer.alloc(16)
/** OpenSSL's answers (SSL_CTX_set_tlsext_ticket_key_cb): not known, so a full handshake; good; good, and to be replaced. */
const answers = { unknown: 0, good: 1, renew: 2 } as const

/** For the secure context that `server` has now: to be called again after each `setSecureContext`. */
export function useTickets(server: Server, material: TicketMaterial): void {
  const { context } = (server as unknown as Internals)._sharedCreds ?? {}
  if (!context?.enableTicketKeyCallback) return void server.setTicketKeys(material.current())
  context.enableTicketKeyCallback()
  // It must not throw, and answers with buffers of 16 bytes whatever it finds: Node aborts otherwise.
  context.onticketkeycallback = (name, _iv, sealing) => {
    const current = material.current()
    const key = sealing ? current : material.find(name)
    if (!key) return [answers.unknown, none, none]
    const [hmac, aes] = [key.subarray(16, 32), key.subarray(32, 48)]
    if (sealing) return [answers.good, hmac, aes, key.subarray(0, 16), randomBytes(16)]
    return [key === current ? answers.good : answers.renew, hmac, aes]
  }
}
