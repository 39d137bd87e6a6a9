import { ROOT, route, type Route } from '../route.ts'

/** What software this is. */
export function versionRoutes({ version }: { readonly version: string }): Route[] {
  return [
    route({
      method: 'GET',
      path: '/_matrix/federation/v1/version',
      under: ROOT,
      auth: 'none',
      resource: 'federation',
      handle: () => ({ server: { name: 'Adsum', version } }),
    }),
  ]
}
