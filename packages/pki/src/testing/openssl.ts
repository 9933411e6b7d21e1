import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

export interface OpensslRoom extends AsyncDisposable {
  directory: string
  /** Runs `openssl` in the room's directory; stdout and stderr together. Rejects where it exits with an error. */
  openssl(...args: string[]): Promise<string>
  /** The same for another command. */
  run(command: string, ...args: string[]): Promise<string>
  write(name: string, content: string | Uint8Array): Promise<void>
  read(name: string): Promise<Buffer>
}

/** A directory of its own for the openssl command, the reference that our own encoders are held against. */
export async function openOpensslRoom(): Promise<OpensslRoom> {
  const directory = await mkdtemp(join(tmpdir(), 'muster-pki-'))
  const runHere = async (command: string, ...args: string[]) => {
    const { stdout, stderr } = await run(command, args, { cwd: directory, maxBuffer: 64 * 1024 * 1024 })
    return stdout + stderr
  }
  return {
    directory,
    openssl: (...args) => runHere('openssl', ...args),
    run: runHere,
    write: (name, content) => writeFile(join(directory, name), content),
    read: (name) => readFile(join(directory, name)),
    [Symbol.asyncDispose]: () => rm(directory, { recursive: true, force: true }),
  }
}
