import { join, resolve } from 'node:path'
import { Duration } from '@muster/contracts'
import { Host, LogLevel, NodeName, Port, readConfig } from '@muster/contracts/config'
import { maxValidityMs } from '@muster/pki'
import { z } from 'zod'

const daySeconds = 86_400

type TokenVariable = `MUSTER_PKCS11_${'MODULE' | 'TOKEN' | 'PIN'}`

const variables = z.object({
  MUSTER_DATA: z.string().default('.muster'),
  MUSTER_HOST: Host.default('127.0.0.1'),
  MUSTER_API_PORT: Port.default(8443),
  MUSTER_PKI_PORT: Port.default(8080),
  MUSTER_PROVISIONER_METRICS_PORT: Port.default(9400),
  MUSTER_MQTT_PORT: Port.default(8883),
  MUSTER_PUBLIC_HOST: Host.default('localhost'),
  MUSTER_DATABASE_URL: z.string().regex(/^postgres(ql)?:\/\//, 'must begin with postgresql://'),
  MUSTER_CA_PASSPHRASE: z.string().min(12, 'must have 12 characters or more').optional(),
  MUSTER_CA_KEYS: z.enum(['file', 'pkcs11']).default('file'),
  MUSTER_PKCS11_MODULE: z.string().optional(),
  MUSTER_PKCS11_TOKEN: z.string().optional(),
  MUSTER_PKCS11_PIN: z.string().optional(),
  MUSTER_TRUST_DOMAIN: z
    .string()
    .regex(/^[a-z0-9]([a-z0-9.-]{0,253}[a-z0-9])?$/, 'must be a domain name in lower case')
    .default('muster.local'),
  MUSTER_CERTIFICATE_VALIDITY: Duration.refine((seconds) => seconds >= 30, 'must be 30s or more')
    .refine((seconds) => seconds * 1_000 <= maxValidityMs, `must be ${maxValidityMs / 1_000 / daySeconds}d or less`)
    .default(90 * daySeconds),
  // RFC 5280 §8: who fetches a CRL over TLS may need one for that.
  MUSTER_PKI_URL: z
    .string()
    .regex(/^http:\/\/[A-Za-z0-9.[\]:-]+(\/[A-Za-z0-9._~-]+)*$/, 'must be http://host:port, with or without a path')
    .optional(),
  MUSTER_CRL_PERIOD: Duration.default(6 * 3_600),
  MUSTER_CRL_LIFETIME: Duration.default(daySeconds),
  MUSTER_CRL_SHARD_ABOVE: z
    .string()
    .regex(/^[1-9]\d{0,8}$/, 'must be a number of entries')
    .transform(Number)
    .optional(),
  MUSTER_REFUSAL_RETENTION: Duration.refine((seconds) => seconds > 0, 'must be longer than nothing').default(
    30 * daySeconds,
  ),
  MUSTER_NODE: NodeName.max(40).default('1'),
  MUSTER_LOG_LEVEL: LogLevel.default('info'),
})
type Variables = z.output<typeof variables>

const isThere = (name: TokenVariable) => (read: Variables) =>
  read.MUSTER_CA_KEYS !== 'pkcs11' || read[name] !== undefined
/** Told with all the other problems, so looked at whatever they are. */
const needed = (name: TokenVariable) => ({ path: [name], message: 'is needed', when: () => true })

export const provisionerVariables = variables
  .refine(isThere('MUSTER_PKCS11_MODULE'), needed('MUSTER_PKCS11_MODULE'))
  .refine(isThere('MUSTER_PKCS11_TOKEN'), needed('MUSTER_PKCS11_TOKEN'))
  .refine(isThere('MUSTER_PKCS11_PIN'), needed('MUSTER_PKCS11_PIN'))
  .refine((read) => read.MUSTER_CRL_PERIOD < read.MUSTER_CRL_LIFETIME, {
    path: ['MUSTER_CRL_PERIOD'],
    message: 'must be shorter than MUSTER_CRL_LIFETIME',
  })
export const provisionerSecrets = ['MUSTER_DATABASE_URL', 'MUSTER_CA_PASSPHRASE', 'MUSTER_PKCS11_PIN'] as const

export type Config = ReturnType<typeof loadConfig>

export function loadConfig(env: Readonly<Record<string, string | undefined>>) {
  const read = readConfig(provisionerVariables, env, provisionerSecrets)
  const data = resolve(read.MUSTER_DATA)
  return Object.freeze({
    data,
    caDirectory: join(data, 'ca'),
    caPassphrase: read.MUSTER_CA_PASSPHRASE,
    pkcs11: readToken(read),
    databaseUrl: read.MUSTER_DATABASE_URL,
    host: read.MUSTER_HOST,
    apiPort: read.MUSTER_API_PORT,
    pkiPort: read.MUSTER_PKI_PORT,
    metricsPort: read.MUSTER_PROVISIONER_METRICS_PORT,
    mqttPort: read.MUSTER_MQTT_PORT,
    publicHost: read.MUSTER_PUBLIC_HOST,
    trustDomain: read.MUSTER_TRUST_DOMAIN,
    validityMs: read.MUSTER_CERTIFICATE_VALIDITY * 1_000,
    pkiUrl: pkiUrlOf(read),
    crl: {
      periodMs: read.MUSTER_CRL_PERIOD * 1_000,
      lifetimeMs: read.MUSTER_CRL_LIFETIME * 1_000,
      shardAbove: read.MUSTER_CRL_SHARD_ABOVE,
    },
    refusalRetentionMs: read.MUSTER_REFUSAL_RETENTION * 1_000,
    node: `provisioner-${read.MUSTER_NODE}`,
    logLevel: read.MUSTER_LOG_LEVEL,
  })
}

function readToken(read: Variables) {
  const { MUSTER_PKCS11_MODULE: module, MUSTER_PKCS11_TOKEN: token, MUSTER_PKCS11_PIN: pin } = read
  const complete = module !== undefined && token !== undefined && pin !== undefined
  return read.MUSTER_CA_KEYS === 'pkcs11' && complete ? { module, token, pin } : undefined
}

/** In every certificate, so it has to be known before one is issued: a port that the system chooses is not. */
function pkiUrlOf(read: Variables): string | undefined {
  const { MUSTER_PKI_URL: url, MUSTER_PUBLIC_HOST: host, MUSTER_PKI_PORT: port } = read
  if (url || port === 0) return url
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`
}
