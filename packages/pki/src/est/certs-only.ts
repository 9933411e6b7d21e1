import { oids } from '../der/oids.ts'
import { contextConstructed, encodeDer, objectIdentifier, sequence, set, smallInteger } from '../der/writer.ts'

/**
 * A SignedData (DER) that carries certificates and signs nothing: the answer of EST (RFC 7030 §4.1.3, §4.2.3; RFC 5652 §5).
 * The certificates are a set: nobody may rely on their order.
 */
export function encodeCertsOnly(certificates: readonly Uint8Array[]): Buffer {
  // X.690 §11.6: in the order of their encodings.
  const ordered = certificates.toSorted(Buffer.compare)
  const signedData = sequence(
    smallInteger(1),
    set(),
    sequence(objectIdentifier(oids.cmsData)),
    contextConstructed(0, ...ordered),
    set(),
  )
  return encodeDer(sequence(objectIdentifier(oids.cmsSignedData), contextConstructed(0, signedData)))
}
