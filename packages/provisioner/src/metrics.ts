import { Counter, Gauge, Histogram, Registry } from 'prom-client'

export type Metrics = ReturnType<typeof createMetrics>

export function createMetrics() {
  const registry = new Registry()
  const registers = [registry]
  return {
    registry,
    enrolments: new Counter({
      name: 'muster_enrolments_total',
      help: 'Enrolments answered with a certificate (issued, repeated) or with pending',
      labelNames: ['result'] as const,
      registers,
    }),
    renewals: new Counter({
      name: 'muster_renewals_total',
      help: 'Renewals answered with a certificate (issued, repeated), and by which way',
      labelNames: ['result', 'via'] as const,
      registers,
    }),
    refusals: new Counter({
      name: 'muster_refusals_total',
      help: 'Requests refused, by error code',
      labelNames: ['code'] as const,
      registers,
    }),
    alerts: new Counter({
      name: 'muster_alerts_total',
      help: 'Refusals that somebody should look at, by error code',
      labelNames: ['code'] as const,
      registers,
    }),
    httpSeconds: new Histogram({
      name: 'muster_http_request_duration_seconds',
      help: 'From the request to its answer',
      labelNames: ['method', 'route', 'status'] as const,
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10],
      registers,
    }),
    ocspRequests: new Counter({
      name: 'muster_ocsp_requests_total',
      help: 'OCSP answers by status: good, revoked, unknown, cached (any of these), malformed, unauthorized, unavailable',
      labelNames: ['status'] as const,
      registers,
    }),
    crlThisUpdate: new Gauge({
      name: 'muster_crl_this_update_timestamp_seconds',
      help: 'When the CRL in force was made: its age is time() less this',
      labelNames: ['issuer', 'shard', 'kind'] as const,
      registers,
    }),
    crlNextUpdate: new Gauge({
      name: 'muster_crl_next_update_timestamp_seconds',
      help: 'Until when the CRL in force is good',
      labelNames: ['issuer', 'shard', 'kind'] as const,
      registers,
    }),
    crlBytes: new Gauge({
      name: 'muster_crl_size_bytes',
      help: 'The CRL in force',
      labelNames: ['issuer', 'shard', 'kind'] as const,
      registers,
    }),
    crlEntries: new Gauge({
      name: 'muster_crl_entries',
      help: 'Certificates on the CRL in force',
      labelNames: ['issuer', 'shard', 'kind'] as const,
      registers,
    }),
    issueSeconds: new Histogram({
      name: 'muster_issue_duration_seconds',
      help: 'Signing a certificate and checking it',
      buckets: [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1],
      registers,
    }),
  }
}
