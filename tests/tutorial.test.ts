import { execFile } from 'node:child_process'
import { mkdtemp, readFile, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { root } from './harness/process.ts'
import { type Stack, startStack } from './harness/stack.ts'

/** A command block of the README, with the output it promises: `…` stands for anything. */
interface Step {
  commands: string
  expected: string | undefined
}

async function readTutorial(): Promise<Step[]> {
  const readme = await readFile(join(root, 'README.md'), 'utf8')
  const section = /## A first device, by hand\n([\s\S]*?)\n## /.exec(readme)?.[1] ?? ''
  return [...section.matchAll(/```sh\n([\s\S]*?)```\n(?:\n```\n([\s\S]*?)```)?/g)].map(
    ([, commands = '', expected]) => ({
      commands,
      expected,
    }),
  )
}

let stack: Stack
let directory: string
beforeAll(async () => {
  stack = await startStack()
  directory = await mkdtemp(join(tmpdir(), 'muster-tutorial-'))
  await symlink(join(root, 'muster'), join(directory, 'muster'))
  await symlink(stack.data, join(directory, '.muster'))
})
afterAll(() => stack?.[Symbol.asyncDispose]())

const steps = await readTutorial()

test('the README has the steps', () => expect(steps.length).toBe(7))

test.each(steps.map((step, index) => [index + 1, step] as const))(
  'README step %i',
  async (_, { commands, expected }) => {
    const script = commands
      .replaceAll('localhost:8443', `localhost:${stack.ports.api}`)
      .replaceAll('-p 8883', `-p ${stack.ports.mqtt}`)
    const { stdout } = await promisify(execFile)('bash', ['-euo', 'pipefail', '-c', script], {
      cwd: directory,
      timeout: 60_000,
      env: {
        PATH: process.env.PATH,
        HOME: directory,
        MUSTER_DATA: join(directory, '.muster'),
        MUSTER_API_PORT: String(stack.ports.api),
        MUSTER_MQTT_PORT: String(stack.ports.mqtt),
      },
    })
    const parts = (expected ?? '')
      .trim()
      .split('…')
      .map((part) => part.trim())
    let from = 0
    for (const part of parts) {
      const found = stdout.indexOf(part, from)
      expect(found, `${JSON.stringify(part)} in:\n${stdout}`).toBeGreaterThanOrEqual(0)
      from = found + part.length
    }
  },
)
