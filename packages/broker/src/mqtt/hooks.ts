import { type CompiledPolicy, MusterError } from '@muster/contracts'
import type { AedesOptions } from 'aedes'
import type { Limits } from '../limits.ts'
import type { Observer } from '../observer.ts'
import { grantFilter, mayReceive } from '../sessions/grant-filter.ts'
import type { Session } from '../sessions/session.ts'
import type { Ingest } from '../telemetry/ingest.ts'
import { assignClientId, boundKeepAlive, keepNothing, noteAliases, sessionOf, tellNothingKept } from './client.ts'
import { denyTopic } from './deny-topic.ts'

type Hook = 'preConnect' | 'authenticate' | 'authorizePublish' | 'authorizeSubscribe' | 'authorizeForward'

export interface HookOptions {
  ingest: Ingest
  observer: Observer
  limits: Limits
  /** What is in force for the holder now, also when its connection is gone. */
  policyNow(session: Session): Promise<CompiledPolicy>
}

/** What aedes asks. The one place with callbacks: each is a decision made elsewhere. */
export function createHooks({ ingest, observer, limits, policyNow }: HookOptions): Required<Pick<AedesOptions, Hook>> {
  return {
    preConnect(client, packet, callback) {
      const session = sessionOf(client)
      packet.clientId = session?.clientId ?? ''
      if (session?.isLate) keepNothing(packet)
      boundKeepAlive(client, packet, limits)
      noteAliases(client, packet)
      callback(session ? null : notAdmitted(), session !== undefined)
    },

    authenticate(client, _username, _password, done) {
      const session = sessionOf(client)
      if (session?.assignedClientId) assignClientId(client, session.assignedClientId)
      if (session?.isLate) tellNothingKept(client)
      done(null, session !== undefined && !session.removed)
    },

    // Wills alone: of one whose connection is gone, `null` where nobody knows whose it is.
    authorizePublish(client, packet, callback) {
      const session = client && sessionOf(client)
      if (!session || session.removed) return callback(notAdmitted())
      const { topic, qos, retain } = packet
      const payload = Buffer.isBuffer(packet.payload) ? packet.payload : Buffer.from(packet.payload)
      const publish = async () => {
        // A policy may have changed since the connection was there to be told.
        const policy = await policyNow(session)
        const refused = policy.refusePublish({ topic, qos, retain, payloadBytes: payload.length })
        if (refused) {
          const denial = denyTopic('publish-denied', topic, refused)
          observer.denied(session, denial)
          throw denial
        }
        if (session.isDevice) await ingest(session, { topic, payload, qos })
        if (session.removed) throw notAdmitted()
      }
      publish().then(() => callback(), callback)
    },

    authorizeSubscribe(client, subscription, callback) {
      const session = sessionOf(client)
      if (!session || session.removed) return callback(null, null)
      // The reason code in the place of the subscription: see patches/.
      const refused = grantFilter(session, subscription.topic)
      callback(null, (refused?.reasonCode ?? subscription) as typeof subscription)
    },

    authorizeForward(client, packet) {
      const session = sessionOf(client)
      return session && mayReceive(session, packet.topic) ? packet : null
    },
  }
}

const notAdmitted = () => new MusterError('forbidden', 'the connection is not admitted')
