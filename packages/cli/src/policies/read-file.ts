import { readFile } from 'node:fs/promises'
import { LineCounter, parseDocument } from 'yaml'
import { CliError, exitCodes } from '../exit.ts'

/** A document in YAML, of which JSON is a part; what it says is for the server to judge. */
export async function readDocument(file: string): Promise<{ name: string } & Record<string, unknown>> {
  const text = await readFile(file, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    throw new CliError(`${file} cannot be read (${cause.code})`, { exitCode: exitCodes.usage, cause })
  })
  const lineCounter = new LineCounter()
  const document = parseDocument(text, { lineCounter, prettyErrors: true })
  const [error] = document.errors
  if (error) throw new CliError(`${file} is not YAML: ${error.message}`, { exitCode: exitCodes.usage, cause: error })
  const value: unknown = document.toJS({ maxAliasCount: 100 })
  if (value === null || typeof value !== 'object' || !('name' in value) || typeof value.name !== 'string')
    throw new CliError(`${file} is not a policy: it has no name`, { exitCode: exitCodes.usage })
  return { ...value, name: value.name }
}
