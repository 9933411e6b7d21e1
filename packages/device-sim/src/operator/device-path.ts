export const devicePath = (device: string) => `/v1/devices/${encodeURIComponent(device)}`
