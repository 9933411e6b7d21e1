import { MusterError } from '@muster/contracts'
import { repeat } from '@muster/db'
import { askOcsp, findOcspQuestion, type OcspQuestion } from '@muster/device'

/** The status of our certificate, at hand before a client asks for it within its handshake (RFC 6066 §8). */
export interface Stapling extends AsyncDisposable {
  /** Leaf and chain (PEM) that are presented from now on. */
  use(certificate: string): void
  /** For the leaf (DER) of a handshake; `null`, and the handshake goes on without it. */
  responseFor(leaf: Buffer): Buffer | null
}

const everyMs = 30_000

export function openStapling({ now, onError }: { now(): Date; onError(error: unknown): void }): Stapling {
  let own: OcspQuestion | undefined
  let staple: { leaf: Buffer; response: Buffer; fetchAgainAt: Date; until: Date } | undefined
  let failing = false

  async function look() {
    if (!own || (staple && now() < staple.fetchAgainAt)) return
    const asked = own
    try {
      const at = now()
      const { response, status, nextUpdate } = await askOcsp(asked, at)
      if (own !== asked) return
      if (status === 'unknown') throw new MusterError('certificate-unknown', 'the responder does not know it')
      const fetchAgainAt = new Date((at.getTime() + nextUpdate.getTime()) / 2)
      staple = { leaf: asked.leaf.raw, response, fetchAgainAt, until: nextUpdate }
      failing = false
    } catch (cause) {
      // Told once: it is tried again until it works, and nobody is refused for it.
      if (!failing) onError(new MusterError('unavailable', `no OCSP response from ${asked.url}`, { cause }))
      failing = true
    }
  }

  const poll = repeat(look, { everyMs, onError })

  return {
    use(certificate) {
      const found = findOcspQuestion(certificate)
      if (found?.leaf.raw.equals(own?.leaf.raw ?? Buffer.of())) return
      own = found
      staple = undefined
      poll.hurry()
    },
    responseFor: (leaf) => (staple?.leaf.equals(leaf) && now() < staple.until ? staple.response : null),
    [Symbol.asyncDispose]: () => poll[Symbol.asyncDispose](),
  }
}
