import fc from 'fast-check'
import { expect, test } from 'vitest'
import { readRecords } from './read-records.ts'

const record = fc.record({ type: fc.constantFrom(20, 21, 22, 23), length: fc.nat(300) })

test('each record is told once, however the bytes are cut', () => {
  fc.assert(
    fc.property(fc.array(record), fc.array(fc.integer({ min: 1, max: 50 })), (records, cuts) => {
      const bytes = Buffer.concat(
        records.map(({ type, length }) =>
          Buffer.from([type, 3, 3, length >> 8, length & 0xff, ...Array(length).fill(23)]),
        ),
      )
      const types: number[] = []
      const read = readRecords((type) => types.push(type))
      let at = 0
      for (const cut of [...cuts, bytes.length]) {
        read(bytes.subarray(at, at + cut))
        at += cut
      }
      expect(types).toEqual(records.map(({ type }) => type))
    }),
  )
})
