import { registerHooks } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Breakage } from './breakage.ts'

/**
 * For `--import`: replaces pieces of the platform's source while it is loaded, so that a process has a fault that nothing in the
 * product could switch on. Each piece must be there exactly once, otherwise the process ends.
 */
const root = join(import.meta.dirname, '../..')
const breakages = JSON.parse(process.env.BREAK_SOURCE ?? '[]') as Breakage[]

registerHooks({
  load(url, context, nextLoad) {
    const loaded = nextLoad(url, context)
    const own = breakages.filter(({ file }) => pathToFileURL(join(root, file)).href === url)
    if (own.length === 0) return loaded
    let source = String(loaded.source)
    for (const { file, find, replace } of own) {
      const pieces = source.split(find)
      if (pieces.length !== 2) throw new Error(`${pieces.length - 1} times in ${file}: ${find}`)
      source = pieces.join(replace)
      process.stderr.write(`broken on purpose: ${file}\n`)
    }
    return { ...loaded, source }
  },
})
