import { relative } from 'node:path'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

/**
 * Files that take more than a quarter of a minute, the longest first, those that reckon beside those that wait. They begin before
 * all others: one that began late would keep everybody waiting at the end. A clone that has just been made knows no durations of its own.
 */
const long = [
  'tests/scenarios.test.ts',
  'tests/outage.test.ts',
  'tests/simulator-workers.test.ts',
  'tests/crash.test.ts',
  'tests/examples.test.ts',
  'tests/invariants.test.ts',
  'tests/sessions.test.ts',
  'tests/bench.test.ts',
  'tests/up.test.ts',
  'packages/broker/src/mqtt/store/crash.process.test.ts',
  'tests/simulator-faults.test.ts',
  'tests/renewal-sdk.test.ts',
  'packages/device/src/store/power-cut.process.test.ts',
  'packages/pki/src/ca/open.process.test.ts',
  'packages/broker/src/mqtt/session-ends.db.test.ts',
  'tests/hsm.test.ts',
  'packages/db/src/embedded/open.db.test.ts',
  'tests/ca-rotation.test.ts',
  'tests/browser/websocket.test.ts',
  'packages/broker/src/mqtt/inbound/inbound.db.test.ts',
  'tests/simulator-worker.test.ts',
  'packages/broker/src/edge/drips.db.test.ts',
  'tests/renewal.test.ts',
  'packages/broker/src/edge/storms.db.test.ts',
]
/** Of the rest, those that start processes and wait come before those that only reckon, which fill whatever is left. */
const projects = ['browser', 'e2e', 'process', 'db', 'unit']

export default class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const bySize = await super.sort(files)
    const places = new Map(bySize.map((file) => [file, this.#placeOf(file)]))
    return bySize.sort((a, b) => (places.get(a) ?? 0) - (places.get(b) ?? 0))
  }

  #placeOf({ moduleId, project }: TestSpecification): number {
    const known = long.indexOf(relative(this.ctx.config.root, moduleId))
    return known >= 0 ? known : long.length + projects.indexOf(project.name)
  }
}
