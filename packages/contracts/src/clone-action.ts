/** What a fleet does about a certificate that is in use in two places; an alert is raised with each. */
export const cloneActions = ['keep-newest', 'keep-oldest', 'suspend'] as const
export type CloneAction = (typeof cloneActions)[number]
