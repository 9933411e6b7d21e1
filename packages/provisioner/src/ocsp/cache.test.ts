import { expect, test } from 'vitest'
import { createAnswerCache } from './cache.ts'

const at = new Date('2026-03-01T12:00:00Z')
const answer = (text: string) => ({ der: new Uint8Array(Buffer.from(text)), thisUpdate: at, nextUpdate: at })

test('what is forgotten while an answer is being signed is not kept', () => {
  const cache = createAnswerCache(10)
  const started = cache.start()
  cache.forget('01')
  cache.add('01', 'sha1', answer('good'), started)
  expect(cache.find('01', 'sha1')).toBeUndefined()
  cache.add('01', 'sha1', answer('revoked'), cache.start())
  cache.add('01', 'sha256', answer('revoked'), cache.start())
  expect(cache.find('01', 'sha1')).toEqual(answer('revoked'))
  cache.forget('01')
  expect(cache.find('01', 'sha1')).toBeUndefined()
  expect(cache.find('01', 'sha256')).toBeUndefined()
})

test('the longest unused goes, and one certificate has few places', () => {
  const cache = createAnswerCache(2)
  for (const serial of ['01', '02']) cache.add(serial, 'way', answer(serial), cache.start())
  cache.find('01', 'way')
  cache.add('03', 'way', answer('03'), cache.start())
  expect(cache.size).toBe(2)
  expect(cache.find('02', 'way')).toBeUndefined()
  expect(cache.find('01', 'way')).toBeDefined()
  for (let way = 0; way < 100; way++) cache.add('03', `way ${way}`, answer('03'), cache.start())
  expect(Array.from({ length: 100 }, (_, way) => cache.find('03', `way ${way}`)).filter(Boolean)).toHaveLength(3)
})
