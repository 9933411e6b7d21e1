export const policyPath = (name: string) => `/v1/policies/${encodeURIComponent(name)}`
