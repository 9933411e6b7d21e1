import { fileURLToPath } from 'node:url'

export { provisionerSecrets, provisionerVariables } from './config.ts'

/** The process: run with Node and the variables in `config.ts`. */
export const provisionerMain = fileURLToPath(new URL('main.ts', import.meta.url))
