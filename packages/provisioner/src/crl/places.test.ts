import { expect, test } from 'vitest'
import { createPkiPlaces, crlPath, shardCount, shardNumber } from './places.ts'

test('addresses', () => {
  const places = createPkiPlaces('http://pki.example/muster')
  const serial = '4000000000000000000000000000000a'
  expect(places.urlsOf('issuing-1')).toMatchObject({
    ocsp: ['http://pki.example/muster/ocsp'],
    caIssuers: ['http://pki.example/muster/ca/issuing-1.crt'],
  })
  const { crlOf } = places.urlsOf('issuing-1')
  expect(crlOf?.(serial)).toEqual(['http://pki.example/muster/crl/issuing-1.crl'])
  places.sharded.add('issuing-1')
  expect(crlOf?.(serial)).toEqual([`http://pki.example/muster/crl/issuing-1/${shardNumber(serial)}.crl`])
  expect(createPkiPlaces(undefined).urlsOf('issuing-1')).toEqual({})
})

test('whatever issuers are called, no two CRLs have one path', () => {
  const paths = ['issuing', 'issuing-1', 'issuing.delta', 'delta', '1'].flatMap((issuer) => [
    crlPath({ issuer, shard: 0, kind: 'full' }),
    crlPath({ issuer, shard: 0, kind: 'delta' }),
    ...Array.from({ length: shardCount }, (_, shard) => crlPath({ issuer, shard: shard + 1, kind: 'full' })),
  ])
  expect(new Set(paths).size).toBe(paths.length)
})
