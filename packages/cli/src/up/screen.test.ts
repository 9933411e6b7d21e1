import { PassThrough } from 'node:stream'
import { expect, test } from 'vitest'
import { openScreen } from './screen.ts'

function open(isTTY: boolean, now = () => 0) {
  const stream = Object.assign(new PassThrough({ encoding: 'utf8' }), { isTTY, columns: 20 })
  return { screen: openScreen({ stream, now, quietMs: 10 }), written: () => stream.read() as string | null }
}

test('off a terminal a status is a line, once in a while', () => {
  let now = 0
  const { screen, written } = open(false, () => now)
  screen.status('1 of 3')
  screen.status('2 of 3')
  screen.line('something happened')
  now = 10
  screen.status('3 of 3')
  expect(written()).toBe('1 of 3\nsomething happened\n3 of 3\n')
})

test('on a terminal the status stays at the bottom, within the width', () => {
  const { screen, written } = open(true)
  screen.status('a status that is wider than the terminal')
  expect(written()).toBe('\r\x1b[Ka status that is wi')
  screen.line('line')
  expect(written()).toBe('\r\x1b[Kline\na status that is wi')
  screen[Symbol.dispose]()
  expect(written()).toBe('\r\x1b[K')
})
