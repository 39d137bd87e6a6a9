import type { AccountData } from '../../homeserver/account-data.ts'
import { refuse } from '../../matrix/errors.ts'
import { PUSH_RULE_KINDS, type PushRule } from '../../matrix/push-rules.ts'
import { MODERN, route, type Route } from '../route.ts'

/** Reading push rules (ROOMS-SPEC §5.10). matrix-js-sdk does not sync before the first of these answers. */
export function pushRulesRoutes({
  accountData,
}: {
  readonly accountData: Pick<AccountData, 'pushRules'>
}): Route[] {
  return [
    route({
      method: 'GET',
      path: '/pushrules',
      under: MODERN,
      auth: 'user',
      handle: async ({ requester }) => ({ global: await accountData.pushRules(requester.userId) }),
    }),
    route({
      method: 'GET',
      path: '/pushrules/global',
      under: MODERN,
      auth: 'user',
      handle: ({ requester }) => accountData.pushRules(requester.userId),
    }),
    route({
      method: 'GET',
      path: '/pushrules/global/:kind/:ruleId',
      under: MODERN,
      auth: 'user',
      handle: async ({ requester, params }): Promise<PushRule> => {
        const kind = PUSH_RULE_KINDS.find((name) => name === params.kind)
        if (kind === undefined) throw refuse.invalidParam(`"${params.kind}" is not a kind of push rule`)
        const rules = await accountData.pushRules(requester.userId)
        const rule = rules[kind].find(({ rule_id }) => rule_id === params.ruleId)
        if (rule === undefined) throw refuse.notFound('There is no push rule with this ID')
        return rule
      },
    }),
  ]
}
