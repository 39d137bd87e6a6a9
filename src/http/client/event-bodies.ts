import { z } from 'zod'
import { isJsonObject, type JsonObject } from '../../matrix/json.ts'

/** Event content, or another object whose every key counts: taken as it is, a key `__proto__` too. */
export const jsonObject: z.ZodType<JsonObject> = z.custom<JsonObject>(isJsonObject, 'must be an object')

export const reasonBody = z.object({ reason: z.string().optional() })
