import { writeFile } from 'node:fs/promises'
import { createJsonSchema } from './json-schema.ts'

const file = new URL('../../scenario.schema.json', import.meta.url)
await writeFile(file, JSON.stringify(createJsonSchema(), null, 2))
