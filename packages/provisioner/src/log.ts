import { type Level, type Logger, pino } from 'pino'

export function createLogger(level: Level | 'silent', node: string): Logger {
  return pino({ level, base: { node }, timestamp: pino.stdTimeFunctions.isoTime })
}
