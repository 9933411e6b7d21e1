import { type IssuerUrls, shardOf } from '@muster/pki'

/** Into so many parts a large CRL is cut, by serial number; certificates name theirs, so this never changes. */
export const shardCount = 32

/** The shard (from 1) of a certificate, once its issuer's CRL is cut. */
export const shardNumber = (serial: string): number => shardOf(serial, shardCount) + 1

export interface CrlName {
  issuer: string
  /** 0: the complete CRL. */
  shard: number
  kind: 'full' | 'delta'
}

/** An issuer's name has no slash in it, whatever else it is. */
export function crlPath({ issuer, shard, kind }: CrlName): string {
  if (kind === 'delta') return `/crl/${issuer}/delta.crl`
  return shard === 0 ? `/crl/${issuer}.crl` : `/crl/${issuer}/${shard}.crl`
}

/** Where the outside world finds what belongs to the issuers. */
export interface PkiPlaces {
  /** Undefined where the port is not known before it listens: then certificates name no addresses. */
  base: string | undefined
  /** Issuers whose CRL is cut into shards, as far as this process has seen. */
  sharded: Set<string>
  urlsOf(issuer: string): IssuerUrls
  crlUrls(name: CrlName): string[]
}

export function createPkiPlaces(base: string | undefined): PkiPlaces {
  const sharded = new Set<string>()
  const crlUrls = (name: CrlName) => (base ? [base + crlPath(name)] : [])
  return {
    base,
    sharded,
    crlUrls,
    urlsOf(issuer) {
      if (!base) return {}
      return {
        // The complete CRL is there in any case: a process that does not know of the shards yet names that.
        crlOf: (serial) => crlUrls({ issuer, shard: sharded.has(issuer) ? shardNumber(serial) : 0, kind: 'full' }),
        ocsp: [`${base}/ocsp`],
        caIssuers: [`${base}/ca/${issuer}.crt`],
      }
    },
  }
}
