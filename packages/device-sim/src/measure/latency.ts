/** A histogram of times that can be sent and added up: buckets grow by 4 %, so that a percentile is right to within 2 %. */
export type LatencyBuckets = [bucket: number, count: number][]

const growth = Math.log(1.04)

/** Milliseconds. */
export interface Percentiles {
  count: number
  p50: number
  p90: number
  p99: number
  max: number
}

export class Latency {
  readonly #counts = new Map<number, number>()

  record(ms: number): void {
    // Microseconds; what takes less is one.
    this.#add(Math.round(Math.log(Math.max(1, ms * 1_000)) / growth), 1)
  }

  add(buckets: LatencyBuckets): void {
    for (const [bucket, count] of buckets) this.#add(bucket, count)
  }

  buckets(): LatencyBuckets {
    return [...this.#counts].sort(([a], [b]) => a - b)
  }

  /** What was recorded since the last time it was taken. */
  take(): LatencyBuckets {
    const buckets = this.buckets()
    this.#counts.clear()
    return buckets
  }

  #add(bucket: number, count: number): void {
    this.#counts.set(bucket, (this.#counts.get(bucket) ?? 0) + count)
  }
}

export function percentilesOf(buckets: LatencyBuckets): Percentiles {
  const count = buckets.reduce((all, [, one]) => all + one, 0)
  const at = (share: number) => {
    let left = Math.max(1, Math.ceil(count * share))
    for (const [bucket, one] of buckets) {
      left -= one
      if (left <= 0) return msOf(bucket)
    }
    return 0
  }
  return { count, p50: at(0.5), p90: at(0.9), p99: at(0.99), max: at(1) }
}

/** The middle of a bucket. */
export const msOf = (bucket: number) => Math.exp(bucket * growth) / 1_000
