import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { expect, test } from 'vitest'

const signals = new URL('signals.ts', import.meta.url).href

/** A program that writes on and on, whose reader goes away after its first line. */
async function runWithoutReader(program: string) {
  const script = `import { endWithReader, untilSignal } from ${JSON.stringify(signals)}
    endWithReader(process.stdout, process.stderr)
    ${program}
    setInterval(() => process.stdout.write('line\\n'), 5)`
  const child = spawn(process.execPath, ['--input-type=module', '--eval', script], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  child.stdout.once('data', () => child.stdout.destroy())
  const [said, [code]] = await Promise.all([text(child.stderr), once(child, 'exit')])
  return { said, code }
}

test('a program whose reader has gone ends, as by SIGPIPE, without a word', async () => {
  expect(await runWithoutReader('')).toEqual({ said: '', code: 141 })
})

test('one that has something to take back ends in order', async () => {
  const program = `const stop = untilSignal()
    stop.signal.addEventListener('abort', () => { process.stderr.write('in order'); process.exit(7) })`
  expect(await runWithoutReader(program)).toEqual({ said: 'in order', code: 7 })
})
