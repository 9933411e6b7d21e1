import { z } from 'zod'
import { Scenario } from './schema.ts'

/** What editors and other validators judge a scenario by; published as `scenario.schema.json`. */
export function createJsonSchema(): Record<string, unknown> {
  const { $schema, ...schema } = z.toJSONSchema(Scenario, { io: 'input' })
  return {
    $schema,
    $id: 'urn:muster:scenario',
    title: 'A scenario of the fleet simulator of Muster',
    ...schema,
  }
}
