// The library registers its parts through a Reflect polyfill, which has to be there first.
import 'reflect-metadata'

export * from '@peculiar/x509'
