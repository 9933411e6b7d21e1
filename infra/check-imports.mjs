// What a package needs at work stands in its dependencies: images are installed without development and optional ones (infra/Dockerfile).
import { globSync, readFileSync } from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'
import { join, relative } from 'node:path'
import process from 'node:process'

const root = join(import.meta.dirname, '..')
const manifests = globSync(['packages/*/package.json', 'examples/*/package.json'], { cwd: root })
const problems = manifests.flatMap((path) => checkPackage(join(root, path, '..')))
for (const problem of problems) console.error(problem)
if (problems.length > 0) process.exitCode = 1

function checkPackage(directory) {
  const manifest = JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8'))
  const files = globSync('src/**/*.ts', { cwd: directory }).filter((file) => !isForTests(`/${file}`))
  return files.flatMap((file) => {
    const path = join(directory, file)
    // What is a type only is not there at work.
    const code = stripTypeScriptTypes(readFileSync(path, 'utf8'))
    return listImports(code).flatMap(({ from, isStatic }) => {
      const problem = findProblem(manifest, { from, isStatic, path, directory })
      return problem ? [`${relative(root, path)} imports ${from}, ${problem}`] : []
    })
  })
}

function isForTests(path) {
  return /(\.test|\/testing(-[a-z]+)?)\.ts$|\/testing(\/|$)/.test(path)
}

function listImports(code) {
  const statics = code.matchAll(/^(?:import|export)\s(?:[^'"=()]*?\sfrom\s)?\s*'([^'\n]+)'/gm)
  const resolves = code.includes('createRequire(') ? '|\\.resolve' : ''
  const dynamics = code.matchAll(new RegExp(`(?:\\bimport${resolves})\\(\\s*'([^'\\n]+)'`, 'g'))
  return [
    ...[...statics].map(([, from]) => ({ from, isStatic: true })),
    ...[...dynamics].map(([, from]) => ({ from, isStatic: false })),
  ]
}

function findProblem(manifest, { from, isStatic, path, directory }) {
  if (from.startsWith('node:')) return undefined
  if (isForTests(from)) return 'which is there for tests only'
  const name = from.startsWith('.') ? nameNeighbour(join(path, '..', from), directory) : namePackage(from)
  if (name === undefined || name in (manifest.dependencies ?? {})) return undefined
  // Who loads it only where it is wanted may find that it is not there.
  if (!isStatic && name in (manifest.optionalDependencies ?? {})) return undefined
  return `and ${name} is not among the dependencies of ${manifest.name}`
}

function namePackage(from) {
  return /^(@[^/]+\/)?[^/]+/.exec(from)?.[0]
}

/** The package that a path leads to, where it is another one. */
function nameNeighbour(path, directory) {
  const neighbour = relative(join(directory, '..'), path).split('/')[0]
  return join(directory, '..', neighbour) === directory ? undefined : `@muster/${neighbour}`
}
