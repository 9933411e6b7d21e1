import type { Server } from 'node:https'
import type { Logger } from 'pino'
import type { OcspAnswers } from './answer.ts'

/** Clients that ask for it get the status of our certificate within the handshake (RFC 6066 §8). */
export function stapleOcsp(server: Server, ocsp: OcspAnswers, log: Logger): void {
  server.on('OCSPRequest', (certificate, _issuer, callback) => {
    ocsp.staple(certificate).then(
      (response) => callback(null, response ? Buffer.from(response) : (null as unknown as Buffer)),
      (err) => {
        log.warn({ err }, 'no OCSP response was stapled')
        callback(null, null as unknown as Buffer)
      },
    )
  })
}
