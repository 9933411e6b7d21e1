/** Seconds until then, for Cache-Control. */
export const maxAge = (until: Date, now: Date) => Math.max(0, Math.floor((until.getTime() - now.getTime()) / 1_000))
