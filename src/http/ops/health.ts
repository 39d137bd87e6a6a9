import { refuse } from '../../matrix/errors.ts'
import { ROOT, route, type Route } from '../route.ts'

/** `GET /health`: the process lives. `GET /ready`: it may be sent traffic (DESIGN §5). */
export function healthRoutes({ isReady }: { readonly isReady: () => boolean }): Route[] {
  return [
    route({
      method: 'GET',
      path: '/health',
      under: ROOT,
      auth: 'none',
      resource: 'health',
      handle: () => ({ status: 'live' }),
    }),
    route({
      method: 'GET',
      path: '/ready',
      under: ROOT,
      auth: 'none',
      resource: 'health',
      handle: () => {
        if (!isReady()) throw refuse.notReady()
        return { status: 'ready' }
      },
    }),
  ]
}
