import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

/** A piece of the source of one process, and what stands in its place. */
export interface Breakage {
  /** From the root of the repository. */
  file: string
  find: string
  replace: string
}

const hook = pathToFileURL(join(import.meta.dirname, 'break-source.ts')).href

/** The environment of a process that is broken in these ways. */
export const broken = (...breakages: Breakage[]): NodeJS.ProcessEnv => ({
  NODE_OPTIONS: `--import=${hook}`,
  BREAK_SOURCE: JSON.stringify(breakages),
})
