export const devicePath = (id: string) => `/v1/devices/${encodeURIComponent(id)}`
