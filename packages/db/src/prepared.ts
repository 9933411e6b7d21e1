import type { Db, Tx } from './open.ts'

type Build = (on: never) => unknown

const built = new WeakMap<Db | Tx, Map<Build, unknown>>()

/** A statement that `build` makes with `.prepare(name)`: made once for the connection, and planned there once. */
export function prepared<On extends Db | Tx, Statement>(on: On, build: (on: On) => Statement): Statement {
  const own = built.get(on) ?? new Map<Build, unknown>()
  built.set(on, own)
  const statement = own.get(build) ?? build(on)
  own.set(build, statement)
  return statement as Statement
}
