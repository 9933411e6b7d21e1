// Every path and command that the documents name exists.
import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { createProgram } from '../packages/cli/src/program.ts'

const root = join(import.meta.dirname, '..')
const documents = globSync(['*.md', 'docs/**/*.md', 'packages/*/README.md', 'examples/*/README.md'], { cwd: root })
const scripts = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).scripts
const program = createProgram({ io: { stdout: process.stdout, stderr: process.stderr }, config: {}, env: {} })

const problems = documents.flatMap((document) => {
  const text = readFileSync(join(root, document), 'utf8')
  const found = [...findLinks(text, document), ...findPaths(text, document), ...findCommands(text)]
  return found.map((problem) => `${document}: ${problem}`)
})
for (const problem of problems) console.error(problem)
if (problems.length > 0) process.exitCode = 1

function findLinks(text, document) {
  return [...text.matchAll(/\]\(([^)\s]+)\)/g)].flatMap(([, target]) => {
    if (/^[a-z]+:/.test(target)) return []
    const [file, anchor] = target.split('#')
    const path = file ? join(root, dirname(document), file) : join(root, document)
    if (!existsSync(path)) return [`links to ${target}, which is not there`]
    return anchor && path.endsWith('.md') && !listAnchors(path).includes(anchor)
      ? [`links to ${target}, which has no such heading`]
      : []
  })
}

function listAnchors(path) {
  const headings = readFileSync(path, 'utf8').matchAll(/^#+ +(.+)$/gm)
  return [...headings].map(([, heading]) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  )
}

/** A path stands in `code` and is meant from the root, from packages/, from a package's src/, or from where the document is. */
function findPaths(text, document) {
  const prose = text.replaceAll(/```[\s\S]*?```/g, '')
  const named = [...prose.matchAll(/`([\w.@-]+(?:\/[\w.@*{},-]+)+\/?)`/g)].map(([, path]) => path)
  const isOurs = (path) =>
    /^(packages|examples|infra|tests|docs|src)\//.test(path) || /\.(ts|tsx|mjs|sql|ya?ml|sh)$/.test(path)
  const here = join(root, dirname(document))
  const sources = globSync('packages/*/src', { cwd: root }).map((path) => join(root, path))
  const places = [root, join(root, 'packages'), here, ...sources]
  return named
    .filter(isOurs)
    .filter((path) => !places.some((place) => globSync(path, { cwd: place }).length > 0))
    .map((path) => `names ${path}, which is not there`)
}

function findCommands(text) {
  const joined = text.replaceAll(/\\\n\s*/g, ' ')
  const blocks = [...joined.matchAll(/```(?:sh|console)?\n([\s\S]*?)```/g)].flatMap(([, block]) => block.split('\n'))
  const spans = [...joined.replaceAll(/```[\s\S]*?```/g, '').matchAll(/`([^`\n]+)`/g)].map(([, span]) => span)
  const lines = [...blocks, ...spans]
  return lines.flatMap((line) => [
    ...[...line.matchAll(/(?:^|\s|\()\.\/muster\b([^|;&)#]*)/g)].flatMap(([, args]) => checkMuster(args)),
    ...(line.startsWith('muster ') ? checkMuster(line.slice('muster'.length)) : []),
    ...[...line.matchAll(/\bnpm (?:run )?([\w:-]+)/g)].flatMap(([, script]) => checkScript(script)),
  ])
}

function checkScript(script) {
  return script in scripts || ['install', 'ci'].includes(script)
    ? []
    : [`names npm script ${script}, which is not there`]
}

function checkMuster(args) {
  let command = program
  const problems = []
  const options = [...program.options]
  for (const word of args.trim().split(/\s+/).filter(Boolean)) {
    const next = command.commands.find((each) => each.name() === word || each.aliases().includes(word))
    if (next) {
      command = next
      options.push(...next.options)
    } else if (command.commands.length > 0 && /^[a-z]/.test(word)) problems.push(`names ./muster${args}: no ${word}`)
    else if (word.startsWith('--') && !options.some((option) => option.long === word.split('=')[0]))
      problems.push(`names ./muster${args}: no ${word}`)
    if (problems.length > 0) break
  }
  return problems
}
