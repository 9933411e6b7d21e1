import { join, resolve } from 'node:path'
import { Host, LogLevel, NodeName, Port, readConfig } from '@muster/contracts/config'
import { z } from 'zod'

const FixedPort = Port.refine((port) => port > 0, 'must be a port that others can know beforehand')

export const cliVariables = z.object({
  MUSTER_DATA: z.string().optional(),
  MUSTER_API_URL: z.url({ protocol: /^https$/, error: 'must be like https://localhost:8443' }).optional(),
  MUSTER_TOKEN: z.string().optional(),
  MUSTER_FLEET: NodeName.default('default'),
  MUSTER_HOST: Host.default('127.0.0.1'),
  MUSTER_PUBLIC_HOST: Host.default('localhost'),
  MUSTER_API_PORT: FixedPort.default(8443),
  MUSTER_PKI_PORT: FixedPort.default(8080),
  MUSTER_MQTT_PORT: FixedPort.default(8883),
  MUSTER_PROVISIONER_METRICS_PORT: FixedPort.default(9400),
  MUSTER_BROKER_METRICS_PORT: FixedPort.default(9401),
  MUSTER_DATABASE_URL: z
    .string()
    .regex(/^postgres(ql)?:\/\//, 'must begin with postgresql://')
    .optional(),
  MUSTER_NODE: NodeName.max(40).default('1'),
  MUSTER_LOG_LEVEL: LogLevel.default('info'),
})
export const cliSecrets = ['MUSTER_TOKEN', 'MUSTER_DATABASE_URL'] as const

/** The checkout's own state, wherever the command is called from. */
const defaultData = join(import.meta.dirname, '../../../.muster')

export type Config = ReturnType<typeof loadConfig>

export function loadConfig(env: Readonly<Record<string, string | undefined>>) {
  const read = readConfig(cliVariables, env, cliSecrets)
  return Object.freeze({
    data: resolve(read.MUSTER_DATA ?? defaultData),
    apiUrl: read.MUSTER_API_URL ?? `https://localhost:${read.MUSTER_API_PORT}`,
    token: read.MUSTER_TOKEN,
    fleet: read.MUSTER_FLEET,
    host: read.MUSTER_HOST,
    publicHost: read.MUSTER_PUBLIC_HOST,
    ports: Object.freeze({
      api: read.MUSTER_API_PORT,
      pki: read.MUSTER_PKI_PORT,
      mqtt: read.MUSTER_MQTT_PORT,
      provisionerMetrics: read.MUSTER_PROVISIONER_METRICS_PORT,
      brokerMetrics: read.MUSTER_BROKER_METRICS_PORT,
    }),
    databaseUrl: read.MUSTER_DATABASE_URL,
    broker: `broker-${read.MUSTER_NODE}`,
    logLevel: read.MUSTER_LOG_LEVEL,
  })
}
